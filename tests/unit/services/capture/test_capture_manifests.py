"""Dependencies from manifests."""

from __future__ import annotations

import pytest

from zaxy.services.capture.code.manifests import MAX_DEPENDENCIES, go_module, is_manifest, read_manifest

PYPROJECT = """
[project]
dependencies = ["click>=8,<9", "pyjwt[crypto]>=2"]
[project.optional-dependencies]
local = ["numkong~=7.8"]
[dependency-groups]
dev = ["pytest", {include-group = "local"}]
"""

CARGO = """
[dependencies]
serde = { version = "1.0", features = ["derive"] }
tokio = "1"
[dev-dependencies]
proptest = "1"
[target.'cfg(unix)'.dependencies]
libc = "0.2"
[workspace.dependencies]
rand = "0.9"
"""

GO = """module example.com/shop

go 1.24

require github.com/spf13/cobra v1.8.0

require (
	golang.org/x/sync v0.7.0
	gopkg.in/yaml.v3 v3.0.1 // indirect
)

replace example.com/other v1.0.0 => ../other
"""

POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><dependencies>
<dependency><groupId>org.junit</groupId><artifactId>junit</artifactId><version>5</version><scope>test</scope></dependency>
<dependency><groupId>org.slf4j</groupId><artifactId>slf4j-api</artifactId></dependency>
</dependencies></project>"""


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        (
            "pyproject.toml",
            PYPROJECT,
            [
                "click >=8,<9",
                "pyjwt [crypto]>=2",
                "numkong ~=7.8 (local)",
                "pytest (dev)",
            ],
        ),
        ("requirements-dev.txt", "# x\n-r base.txt\nclick==8.1  # why\n\nruff\n", ["click ==8.1", "ruff"]),
        (
            "package.json",
            '{"dependencies": {"react": "^18"}, "devDependencies": {"vite": "5"}, "peerDependencies": {"x": 1}}',
            ["react ^18", "vite 5 (dev)", "x (peer)"],
        ),
        ("Cargo.toml", CARGO, ["serde 1.0", "tokio 1", "proptest 1 (dev)", "rand 0.9", "libc 0.2"]),
        (
            "go.mod",
            GO,
            ["github.com/spf13/cobra v1.8.0", "golang.org/x/sync v0.7.0", "gopkg.in/yaml.v3 v3.0.1 (indirect)"],
        ),
        ("pom.xml", POM, ["org.junit:junit 5 (test)", "org.slf4j:slf4j-api"]),
    ],
)
def test_a_manifest_tells_its_dependencies(name: str, text: str, told: list[str]) -> None:
    assert is_manifest(name)
    assert [str(one) for one in read_manifest(name, text)] == told


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pyproject.toml", "[project"),
        ("pyproject.toml", 'project = "x"'),
        ("pyproject.toml", "[project]\noptional-dependencies = 3"),
        ("package.json", "{"),
        ("package.json", "[]"),
        ("package.json", '{"dependencies": []}'),
        ("Cargo.toml", "dependencies = 3"),
        ("pom.xml", "<project>"),
        ("pom.xml", ""),
    ],
)
def test_what_is_no_manifest_of_its_kind_is_refused(name: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read_manifest(name, text)


def test_a_list_of_dependencies_has_a_bound() -> None:
    assert (
        len(read_manifest("requirements.txt", "\n".join(f"p{number}" for number in range(5_000)))) == MAX_DEPENDENCIES
    )


def test_entities_that_name_each_other_do_not_fill_the_memory() -> None:
    levels = "".join(
        f'<!ENTITY a{n} "{"&a" + str(n - 1) + ";" if n else "x"}' + f'{f"&a{n - 1};" * 9 if n else ""}">'
        for n in range(12)
    )
    with pytest.raises(ValueError, match="manifest"):
        read_manifest("pom.xml", f"<!DOCTYPE project [{levels}]><project>&a11;</project>")


def test_a_go_module_has_a_name() -> None:
    assert (go_module(GO), go_module("// nothing")) == ("example.com/shop", "")

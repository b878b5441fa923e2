"""Which files are source code, and what to look for in the syntax trees of each language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from zaxy.errors import MissingDependencyError


@dataclass(frozen=True, slots=True)
class Language:
    """A language that can be parsed.

    Attributes:
        name: What events call it.
        package: The module of its grammar's wheel.
        query: What to find: definitions, captured by their kind with their ``name`` and, where it stands apart, the
            ``owner`` that they belong to; ``call`` with, in Java, its ``object``; imports with ``source``, ``item``
            and ``alias``, or as a whole ``use``; the ``package`` of the file.
        entry: The function of the wheel that gives the grammar.
        has_implicit_members: Whether a method may name another one of its class without saying whose.
    """

    name: str
    package: str
    query: str
    entry: str = "language"
    has_implicit_members: bool = False


_PYTHON: Final = """
(class_definition name: (_) @name) @class
(function_definition name: (_) @name) @function
(module (expression_statement (assignment left: (identifier) @name) (#match? @name "^[A-Z][A-Z0-9_]+$")) @constant)
(call function: (_) @call)
(import_statement name: (dotted_name) @source)
(import_statement name: (aliased_import name: (_) @source alias: (_) @alias))
(import_from_statement module_name: (_) @source name: (dotted_name) @item)
(import_from_statement module_name: (_) @source name: (aliased_import name: (_) @item alias: (_) @alias))
(import_from_statement module_name: (_) @source (wildcard_import))
"""

_SCRIPT: Final = """
(class_declaration name: (_) @name) @class
(function_declaration name: (_) @name) @function
(generator_function_declaration name: (_) @name) @function
(method_definition name: (_) @name) @function
(variable_declarator name: (identifier) @name value: [(arrow_function) (function_expression)]) @function
(call_expression function: (_) @call)
(new_expression constructor: (_) @call)
(import_statement source: (string (string_fragment) @source))
(import_statement (import_clause (identifier) @alias) source: (string (string_fragment) @source))
(import_statement (import_clause (namespace_import (identifier) @alias)) source: (string (string_fragment) @source))
(import_statement (import_clause (named_imports (import_specifier name: (_) @item !alias)))
  source: (string (string_fragment) @source))
(import_statement (import_clause (named_imports (import_specifier name: (_) @item alias: (_) @alias)))
  source: (string (string_fragment) @source))
(export_statement source: (string (string_fragment) @source))
(variable_declarator name: (identifier) @alias value: (call_expression function: (identifier) @require
  arguments: (arguments (string (string_fragment) @source))) (#eq? @require "require"))
(variable_declarator name: (object_pattern (shorthand_property_identifier_pattern) @item) value: (call_expression
  function: (identifier) @require arguments: (arguments (string (string_fragment) @source))) (#eq? @require "require"))
"""

_JAVASCRIPT: Final = f"""{_SCRIPT}
(field_definition property: (_) @name value: [(arrow_function) (function_expression)]) @function
"""

_TYPESCRIPT: Final = f"""{_SCRIPT}
(public_field_definition name: (_) @name value: [(arrow_function) (function_expression)]) @function
(abstract_class_declaration name: (_) @name) @class
(abstract_method_signature name: (_) @name) @function
(interface_declaration name: (_) @name) @interface
(type_alias_declaration name: (_) @name) @type
(enum_declaration name: (_) @name) @enum
(internal_module name: (_) @name) @module
"""

_GO: Final = """
(function_declaration name: (_) @name) @function
(method_declaration receiver: (parameter_list (parameter_declaration type: (_) @owner)) name: (_) @name) @function
(type_spec name: (_) @name) @type
(type_alias name: (_) @name) @type
(call_expression function: (_) @call)
(import_spec !name path: (_) @source)
(import_spec name: (_) @alias path: (_) @source)
"""

_RUST: Final = """
(function_item name: (_) @name) @function
(function_signature_item name: (_) @name) @function
(struct_item name: (_) @name) @struct
(union_item name: (_) @name) @struct
(enum_item name: (_) @name) @enum
(trait_item name: (_) @name) @trait
(impl_item type: (_) @name) @part
(mod_item name: (_) @name body: (_)) @module
(macro_definition name: (_) @name) @macro
(type_item name: (_) @name) @type
(const_item name: (_) @name) @constant
(static_item name: (_) @name) @constant
(call_expression function: (_) @call)
(macro_invocation macro: (_) @call)
(use_declaration argument: (_) @use)
"""

_JAVA: Final = """
(class_declaration name: (_) @name) @class
(record_declaration name: (_) @name) @class
(interface_declaration name: (_) @name) @interface
(annotation_type_declaration name: (_) @name) @interface
(enum_declaration name: (_) @name) @enum
(method_declaration name: (_) @name) @function
(constructor_declaration name: (_) @name) @function
(method_invocation !object name: (_) @call)
(method_invocation object: (_) @object name: (_) @call)
(object_creation_expression type: (_) @call)
(package_declaration (_) @package)
(import_declaration (scoped_identifier) @source)
"""

_C: Final = """
(function_definition declarator: (function_declarator declarator: (_) @name)) @function
(function_definition declarator: (pointer_declarator declarator: (function_declarator declarator: (_) @name))) @function
(declaration declarator: (function_declarator declarator: (identifier) @name)) @function
(declaration declarator: (pointer_declarator declarator: (function_declarator declarator: (identifier) @name)))
  @function
(struct_specifier name: (_) @name body: (_)) @struct
(union_specifier name: (_) @name body: (_)) @struct
(enum_specifier name: (_) @name body: (_)) @enum
(type_definition declarator: (type_identifier) @name) @type
(preproc_def name: (_) @name value: (_)) @constant
(preproc_function_def name: (_) @name) @macro
(call_expression function: (_) @call)
(preproc_include path: (_) @source)
"""

_CPP: Final = f"""{_C}
(class_specifier name: (_) @name body: (_)) @class
(namespace_definition name: (_) @name) @module
(function_definition declarator: (reference_declarator (function_declarator declarator: (_) @name))) @function
(field_declaration declarator: (function_declarator declarator: (_) @name)) @function
(field_declaration declarator: (reference_declarator (function_declarator declarator: (_) @name))) @function
(field_declaration declarator: (pointer_declarator declarator: (function_declarator declarator: (_) @name))) @function
(declaration declarator: (function_declarator declarator: (destructor_name) @name)) @function
(alias_declaration name: (_) @name) @type
(new_expression type: (_) @call)
"""

_JAVASCRIPT_LANGUAGE: Final = Language("javascript", "tree_sitter_javascript", _JAVASCRIPT)
_TYPESCRIPT_LANGUAGE: Final = Language("typescript", "tree_sitter_typescript", _TYPESCRIPT, "language_typescript")
_CPP_LANGUAGE: Final = Language("c++", "tree_sitter_cpp", _CPP, has_implicit_members=True)
_PYTHON_LANGUAGE: Final = Language("python", "tree_sitter_python", _PYTHON)

LANGUAGES: Final[Mapping[str, Language]] = {
    **dict.fromkeys((".py", ".pyi"), _PYTHON_LANGUAGE),
    **dict.fromkeys((".js", ".jsx", ".mjs", ".cjs"), _JAVASCRIPT_LANGUAGE),
    **dict.fromkeys((".ts", ".mts", ".cts"), _TYPESCRIPT_LANGUAGE),
    ".tsx": Language("typescript", "tree_sitter_typescript", _TYPESCRIPT, "language_tsx"),
    ".go": Language("go", "tree_sitter_go", _GO),
    ".rs": Language("rust", "tree_sitter_rust", _RUST),
    ".java": Language("java", "tree_sitter_java", _JAVA, has_implicit_members=True),
    ".c": Language("c", "tree_sitter_c", _C),
    **dict.fromkeys((".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".hxx"), _CPP_LANGUAGE),
}
"""Languages by the ending of a file's name. A ``.h`` is read as C++, which takes nearly all of C."""

SUBJECT_KINDS: Final = frozenset({"class", "interface", "struct", "enum", "trait", "part", "module"})
"""Kinds of definitions whose members are symbols of their own; what stands within others is not."""

KINDS: Final = SUBJECT_KINDS | {"function", "constant", "type", "macro"}
"""Every capture that stands for a definition. A ``part`` (``impl`` in Rust) only names what its members belong to."""


def not_installed(error: ImportError) -> MissingDependencyError:
    """Return what is raised where the extra ``code`` is missing.

    Args:
        error: What Python said.
    """
    return MissingDependencyError(
        f"source code cannot be read: {error.name} is not installed",
        remedy="install it: pip install 'zaxy-memory[code]'",
    )

"""What a row takes from its neighbours."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from zaxy.services.recall.ranking.views import K1, NEAR, B, TermCounts, spill, standard


def column(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_a_row_gets_its_neighbours_shares() -> None:
    stretch = np.zeros(5, np.int32)
    assert spill(column(0, 0, 1, 0, 0), stretch, NEAR).tolist() == np.float32([0.2, 0.4, 1.0, 0.4, 0.2]).tolist()


def test_nothing_spills_into_another_stretch() -> None:
    stretch = np.array([0, 0, 1, 1], np.int32)
    assert spill(column(0, 1, 0, 0), stretch, NEAR).tolist() == np.float32([0.4, 1.0, 0.0, 0.0]).tolist()


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=12).map(sorted),
    st.dictionaries(st.integers(-14, 14), st.sampled_from([0.5, 1.0, 2.0]), max_size=6),
)
def test_spilling_is_the_sum_over_the_rows_of_a_stretch(rows: list[tuple[int, int]], weights: dict[int, float]) -> None:
    stretch = np.array([number for number, _ in rows], np.int32)
    values = np.array([value for _, value in rows], np.float32)
    wanted = [
        sum(
            weight * rows[place + offset][1]
            for offset, weight in weights.items()
            if 0 <= place + offset < len(rows) and rows[place + offset][0] == number
        )
        for place, (number, _) in enumerate(rows)
    ]
    assert spill(values, stretch, weights).tolist() == wanted
    assert spill(np.stack([values, values], axis=1), stretch, weights)[:, 1].tolist() == wanted


def test_bm25_is_the_formula() -> None:
    terms = TermCounts(np.array([[2, 0], [1, 3]], np.float32), column(10, 30), column(1.5, 0.5), 20.0)

    def weight(count: float, length: float) -> float:
        return count * (K1 + 1) / (count + K1 * (1 - B + B * length / 20.0))

    wanted = [1.5 * weight(2, 10), 1.5 * weight(1, 30) + 0.5 * weight(3, 30)]
    assert all(math.isclose(one, other, rel_tol=1e-5) for one, other in zip(terms.bm25().tolist(), wanted, strict=True))


def test_what_is_standardized_has_mean_nothing_and_deviation_one_over_the_pool() -> None:
    pool = np.array([True, True, True, False])
    values = standard(column(1, 2, 6, 100), pool)
    assert abs(float(values[pool].mean())) < 1e-6
    assert abs(float(values[pool].std()) - 1) < 1e-6
    assert values[3] > 30


def test_a_column_that_is_the_same_everywhere_says_nothing() -> None:
    assert standard(column(3, 3, 3), np.ones(3, np.bool_)).tolist() == [0, 0, 0]
    assert standard(column(3, 4), np.zeros(2, np.bool_)).tolist() == [0, 0]

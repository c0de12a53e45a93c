"""Pages by number: they are whole, they follow each other, and counting them has a bound."""

from collections.abc import AsyncIterator

from hypothesis import given
from hypothesis import strategies as st

from keepstone.server.mem0.asking import COUNT_MAX, Asking, numbered


async def items(count: int) -> AsyncIterator[int]:
    for item in range(count):
        yield item


async def known(count: int) -> int:
    return count


@given(st.integers(0, 40), st.integers(1, 9))
async def test_pages_follow_each_other_until_none_is_left(count: int, size: int) -> None:
    seen: list[int] = []
    number = 1
    while True:
        page = await numbered(items(count), Asking(number, size))
        seen += page.items
        assert page.count == count
        if not page.has_more:
            break
        assert len(page.items) == size
        number += 1
    assert seen == list(range(count))


async def test_counting_stops_where_it_would_cost_much() -> None:
    page = await numbered(items(COUNT_MAX + 1), Asking(1, 10))
    assert (len(page.items), page.count, page.has_more) == (10, None, True)
    assert (await numbered(items(COUNT_MAX), Asking(1, 10))).count == COUNT_MAX


async def test_a_count_that_is_known_spares_the_counting() -> None:
    read: list[int] = []

    async def watched() -> AsyncIterator[int]:
        async for item in items(100):
            read.append(item)
            yield item

    page = await numbered(watched(), Asking(2, 10), lambda: known(100))
    assert (list(page.items), page.count, page.has_more) == (list(range(10, 20)), 100, True)
    assert len(read) == 21

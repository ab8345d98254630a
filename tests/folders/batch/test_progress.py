"""The counts of a run and their display."""

from backend.folders.batch.manifest import Record
from backend.folders.batch.progress import Silent, Tally, summary, table_of_reasons


def test_a_picture_that_comes_again_counts_as_what_it_is_now() -> None:
    display = Silent(recurring=True)
    for name, state in (("a.jpg", "failed"), ("b.jpg", "done"), ("a.jpg", "done"), ("b.jpg", "done")):
        display.expect(1)
        display.add(Record(name, state, "x.png"), new=True)  # type: ignore[arg-type]
    found = summary(display.tally, 0)
    assert (found["pictures"], found["done"], found["failed"], found["new"]) == (2, 2, 0, 4)
    assert display.tally.total == 2 and not display.tally.reasons


def test_a_picture_that_fails_and_comes_again_is_no_reason_any_more() -> None:
    tally = Tally(recurring=True)
    for name, state in (("a.jpg", "failed"), ("b.jpg", "failed"), ("a.jpg", "done")):
        tally.count(Record(name, state, "x.png", code="empty-file", detail="Empty."), new=True)  # type: ignore[arg-type]
    assert [(reason.count, reason.names) for reason in tally.reasons.values()] == [(1, ["b.jpg"])]


def test_reasons_stand_by_their_number_and_names_cannot_turn_the_line() -> None:
    failed = [Record(f"{n}\n.jpg", "failed", "x.png", code="image-corrupt", detail="Broken.") for n in range(5)]
    failed.append(Record("e.jpg", "failed", "x.png", code="empty-file", detail="Empty."))
    tally = Tally()
    for record in failed:
        tally.count(record, new=True)
    first, second = table_of_reasons(tally).splitlines()
    assert "image-corrupt" in first and " 5 " in first and r"0\n.jpg" in first and "and 2 more" in first
    assert "empty-file" in second

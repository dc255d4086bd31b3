"""A full disk refuses a write; what was there stays, and room made is room used."""

import fault_programs as programs
import pytest


def test_a_full_disk_is_an_error_of_ours_and_costs_nothing_stored(run, small_disk):
    error, kept, faults = run(programs.fill_up, str(small_disk / "c.db"))
    assert (error[0], kept, faults) == ("StorageFullError", True, [])


def test_a_disk_full_from_the_start_is_the_same_error(run, small_disk):
    (small_disk / "ballast").write_bytes(bytes(2**20 - 4096))
    with pytest.raises(AssertionError, match="StorageFullError"):
        run(programs.read_state, str(small_disk / "c.db"))


def test_after_room_was_made_writing_goes_on(run, small_disk):
    ballast, path = small_disk / "ballast", str(small_disk / "c.db")
    ballast.write_bytes(bytes(2**19))
    run(programs.fill_up, path)
    before, _ = run(programs.read_state, path)
    ballast.unlink()
    run(programs.add_named, path, "afterwards")
    assert run(programs.read_state, path) == ({**before, "afterwards": 1}, [])


@pytest.mark.parametrize("size", [200_000, 300_000, 1_000_000])
def test_a_file_size_limit_is_the_same_error(run, tmp_path, size):
    (error, kept, faults), (stored, later) = run(programs.limited_filling, str(tmp_path / "c.db"), size)
    assert (error[0], kept, faults, later) == ("StorageFullError", True, [], [])
    assert "afterwards" in stored

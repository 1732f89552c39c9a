"""Numbers of a bench: percentiles, averages between two counts, what was lost."""

from gateway.bench.audit import OF_PERMIT, Audited, missing
from gateway.bench.machine import CpuTime, cpu_of, percentile
from gateway.bench.report import effort, together
from tests.unit.gateway.bench.busy import busy_process

LANE = 'sekisho_lane_message_items_{what}{{peer="core"}}'
COMMIT = "sekisho_record_batch_entries_{what}"


def test_percentiles_are_values_that_were_measured() -> None:
    hundred = [float(value) for value in range(1, 101)]

    assert (percentile(hundred, 50), percentile(hundred, 99)) == (51.0, 100.0)
    assert (percentile([7.0], 99), percentile([], 50)) == (7.0, 0.0)


def test_sizes_are_averages_of_what_came_between() -> None:
    before = {f"city {LANE.format(what='sum')}": 10.0, f"city {LANE.format(what='count')}": 10.0}
    after = {
        f"city {LANE.format(what='sum')}": 70.0,
        f"city {LANE.format(what='count')}": 12.0,
        f"city {COMMIT.format(what='sum')}": 9.0,
        f"city {COMMIT.format(what='count')}": 3.0,
    }

    assert together(before, after) == {"city → core": 30.0, "city commit": 3.0}


def test_an_exchange_is_lost_if_any_party_lacks_its_entry() -> None:
    whole, lost = "a" * 32, "b" * 32
    core, city = Audited(), Audited()
    for kind in OF_PERMIT:
        core.permits[kind].add(whole)
    city.permits["permit"].add(lost)
    city.permits["provision"].add(lost)

    assert missing([whole], [core, city]) == 0
    assert missing([whole, lost], [core, city]) == 1
    assert missing([lost], [core, city], kinds=("permit", "provision")) == 0


def test_the_cpu_of_a_process_grows_with_what_it_does() -> None:
    with busy_process() as pid:
        used = cpu_of({"busy": pid})["busy"]

    assert used.python_s > 0
    assert used.postgres_s == 0


def test_cpu_times_are_added_and_taken_away_part_by_part() -> None:
    early, late = CpuTime(python_s=1, postgres_s=2), CpuTime(python_s=4, postgres_s=7)

    assert late.since(early) == CpuTime(python_s=3, postgres_s=5)
    assert late.plus(early).total_s == 14


def test_the_effort_of_the_parties_asked_for_is_added_up_by_operation() -> None:
    name = 'sekisho_crypto_thread_seconds_total{{operation="{operation}"}}'
    sign, seal = name.format(operation="sign"), name.format(operation="seal")
    before = {f"core {sign}": 1.0, f"city {sign}": 5.0}
    after = {f"core {sign}": 1.5, f"city {sign}": 7.0, f"city {seal}": 0.25}

    assert effort(before, after, ["core", "city"]) == {"sign": 2.5, "seal": 0.25}
    assert effort(before, after, ["core"]) == {"sign": 0.5}

"""A job's numbers in every answer while another daemon takes the job over."""

from harness import eventually
from harness.client import ENDED, PARTS
from harness.migrations import Gate

TENANTS = 200


def test_no_answer_loses_a_tenant_while_a_job_is_taken_over(journal, start_daemon):
    journal.add_schema_tenants(TENANTS)
    settings = journal.config(scheduler={"lease_ms": 2000})
    first = start_daemon(settings)
    with Gate(journal, f"tenant_s_{TENANTS - 1:06}"):
        job = first.client().start(
            operation="upgrade", concurrency=2, page_size=10, lock_timeout_ms=0)
        path = f"/v1/jobs/{job['id']}"
        eventually(lambda: first.client().get(path).json["counts"]["succeeded"] >= 50)
        recorded = first.client().get(f"{path}?wait=0").json
        assert recorded["counts"]["total"] == TENANTS
        first.kill()
    client = start_daemon(settings).client()
    answers = []

    def is_over():
        answers.append(client.get(path).expect(200).json)
        return answers[-1]["state"] in ENDED

    eventually(is_over, within=120, pause=0)
    for answer in answers:
        counts = answer["counts"]
        assert counts["total"] == sum(counts[part] for part in PARTS) == TENANTS, counts
    assert answers[-1]["state"] == "succeeded", answers[-1]["first_errors"]

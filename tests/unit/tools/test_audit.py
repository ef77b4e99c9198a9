"""What pip-audit reports is told with the way out."""

from audit.verdict import judge


def test_holes_name_package_advisory_and_the_version_that_mends():
    report = {
        "dependencies": [
            {"name": "sound", "version": "1", "vulns": []},
            {
                "name": "jinja2",
                "version": "2.10",
                "vulns": [
                    {"id": "PYSEC-2019-217", "fix_versions": ["2.10.1"], "aliases": []},
                    {"id": "PYSEC-0", "fix_versions": [], "aliases": []},
                ],
            },
            {"name": "private", "skip_reason": "not found"},
        ]
    }
    verdict = judge(report)
    assert verdict.vulnerable == (
        "jinja2 2.10: PYSEC-2019-217, mended in 2.10.1",
        "jinja2 2.10: PYSEC-0, mended in nowhere yet",
    )
    assert (verdict.audited, verdict.unknown) == (2, ("private",))

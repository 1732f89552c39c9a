"""Law texts in, facts out: the importer, and the list of what it could not resolve."""

from policies.importer.report import Finding, Kind, Report
from policies.importer.review import ReviewError
from policies.importer.run import import_law, run
from policies.importer.source import SourceError

__all__ = ["Finding", "Kind", "Report", "ReviewError", "SourceError", "import_law", "run"]

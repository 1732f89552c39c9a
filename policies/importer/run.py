"""The importer as a whole: a folder of law texts in, a folder of facts and a report out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Final

from policies.facts import Facts, save_facts
from policies.importer.align import align
from policies.importer.articles import ParagraphText, article_names, read_article
from policies.importer.cells import CellReader
from policies.importer.merging import procedure_facts
from policies.importer.places import FoundProcedure, PlaceReader
from policies.importer.report import Findings, Report
from policies.importer.review import PhraseEntry, Reviewed, load_reviewed
from policies.importer.rows import Rows, check_against_whole, read_rows, read_terms
from policies.importer.source import ProcedureLine, Source, SourceError, read_source
from policies.importer.splitting import Splitter
from policies.importer.superseded import read_superseded
from policies.importer.text import digest
from policies.model import LawText, Phrase

LAW_ID: Final = "506M60004008009"
CURRENT_TABLE: Final = "order19-8_art2@"
# The article that leaves the rest to the ministers; it names neither affair nor information.
_CLOSING_ARTICLE: Final = "176"
_JOINED: Final = "列挙を人が読み分けた"
_KINDS: Final = ("classes", "terms", "phrases", "grants", "procedures", "scopes", "superseded")


def run(source_dir: Path, target_dir: Path, *, review_dir: Path | None = None) -> Report:
    """Import the texts of a folder into a folder of facts; what is unsure stays refused.

    Raises:
        SourceError: a source file is missing or misshapen.
        ReviewError: a reviewed table is missing or misshapen.
        FactsError: the facts would contradict themselves.
    """
    facts, report = import_law(read_source(source_dir), load_reviewed(review_dir))
    save_facts(facts, target_dir)
    return report


def import_law(source: Source, reviewed: Reviewed) -> tuple[Facts, Report]:
    """Return the facts of the texts and what could not be settled; no I/O.

    Raises:
        SourceError: the source holds no text at all, or a version that names no day.
    """
    findings = Findings()
    reader = CellReader(reviewed=reviewed, findings=findings)
    rows = read_rows(source.cells, reader)
    _check_rows(source, reader)
    places = _place_reader(source, reviewed, rows, findings)
    procedures, scopes = procedure_facts(
        align(_procedures(source.lines, rows, places, findings), reviewed.alignments, findings),
        reviewed.limits,
    )
    law_texts = _law_texts(source)
    facts = Facts(
        version=law_texts[-1].id,
        data_from=law_texts[0].effective_from,
        law_texts=law_texts,
        classes=reviewed.classes,
        terms=read_terms(source.cells, reviewed),
        phrases=_phrases(reviewed),
        grants=rows.grants,
        deleted_rows=rows.deleted,
        procedures=procedures,
        scopes=scopes,
        superseded=read_superseded(source.whole_cells, reviewed),
    )
    counts = {kind: len(getattr(facts, kind)) for kind in _KINDS}
    counts["scopes-unsure"] = sum(scope.review.state == "unsure" for scope in scopes)
    return facts, Report(findings=findings.all(), facts=counts)


def _check_rows(source: Source, reader: CellReader) -> None:
    """Compare the dated cells with every whole version of the table."""
    by_table: dict[str, list[tuple[str, str, str, str]]] = defaultdict(list)
    for cell in source.whole_cells:
        if cell.table.startswith(CURRENT_TABLE):
            by_table[cell.table].append(
                (cell.row_no, cell.inquirer, cell.provider, cell.information)
            )
    for table, cells in by_table.items():
        day = date.fromisoformat(table.removeprefix(CURRENT_TABLE))
        check_against_whole(source.cells, cells, day, reader)


def _place_reader(
    source: Source, reviewed: Reviewed, rows: Rows, findings: Findings
) -> PlaceReader:
    hints = {
        split.affair + split.information: split.affair
        for split in source.splits
        if not split.sub_item
    }
    splitter = Splitter(reviewed=reviewed, hints=hints, findings=findings)
    return PlaceReader(reviewed=reviewed, rows=rows, splitter=splitter, findings=findings)


def _procedures(
    lines: Sequence[ProcedureLine], rows: Rows, places: PlaceReader, findings: Findings
) -> Iterable[FoundProcedure]:
    by_article: dict[str, list[ProcedureLine]] = defaultdict(list)
    for line in lines:
        by_article[line.article].append(line)
    for article in article_names(lines):
        if article != _CLOSING_ARTICLE:
            for paragraph in _paragraphs(by_article[article], rows, findings):
                yield from places.read(paragraph)


def _paragraphs(
    lines: Sequence[ProcedureLine], rows: Rows, findings: Findings
) -> tuple[ParagraphText, ...]:
    """Return an article's paragraphs, cut also where its row changes."""
    alone = read_article(lines, days=frozenset(), findings=findings)
    if not alone:
        return ()
    first, last = alone[0].from_, alone[-1].to
    of_row = {
        day
        for row_no in {paragraph.row_no for paragraph in alone}
        for day in rows.days(row_no)
        if first <= day and (last is None or day <= last)
    }
    return read_article(lines, days=frozenset(of_row), findings=findings)


def _law_texts(source: Source) -> tuple[LawText, ...]:
    """Return the texts the facts come from, each with the digest of all it says."""
    versions = {cell.version for cell in source.cells} | {line.version for line in source.lines}
    if not versions:
        raise SourceError("source-empty", "the sources hold no text of the law")
    days = sorted({_day(version) for version in versions})
    return tuple(
        LawText(id=f"{LAW_ID}@{day.isoformat()}", effective_from=day, digest=_standing(source, day))
        for day in days
    )


def _day(version: str) -> date:
    try:
        return date.fromisoformat(version[:10])
    except ValueError as error:
        raise SourceError("source-malformed", f"no day in the version {version}") from error


def _standing(source: Source, day: date) -> str:
    cells = [
        f"{cell.row_no}\t{cell.inquirer}\t{cell.provider}\t{cell.information}"
        for cell in source.cells
        if cell.from_ <= day and (cell.to is None or day <= cell.to)
    ]
    lines = [
        f"{line.article}\t{line.paragraph}\t{line.item}\t{line.sub_item}\t{line.text}"
        for line in source.lines
        if line.holds_on(day)
    ]
    return digest("\n".join([*sorted(cells), *sorted(lines)]))


def _phrases(reviewed: Reviewed) -> tuple[Phrase, ...]:
    """Return the wordings by which people may ask, each with the label or labels it means."""
    single = [
        Phrase(
            ja=entry.ja,
            term=reviewed.terms[_first_term(entry, reviewed)].id,
            means=entry.label,
            review=reviewed.verdict(entry.reviewed),
        )
        for entry in reviewed.phrases.values()
    ]
    joined = [
        Phrase(
            ja=compound.ja,
            term=reviewed.terms[_first_term(reviewed.phrases[compound.parts[0]], reviewed)].id,
            parts=tuple(_label(part, reviewed) for part in compound.parts),
            review=reviewed.verdict(_JOINED),
        )
        for compound in reviewed.compounds
        if not compound.rows
    ]
    return (*single, *joined)


def _label(part: str, reviewed: Reviewed) -> str:
    return reviewed.phrases[part].label or part


def _first_term(entry: PhraseEntry, reviewed: Reviewed) -> str:
    name = entry.terms[0]
    return reviewed.groups.get(name, (name,))[0]

"""The CSV file that `customers discover` writes and `customers import` takes: one customer and its tenant per line.

Read as spreadsheets save it: with or without a byte order mark, parted by comma, semicolon or tab, in UTF-8, UTF-16 or
the old Windows code page. A file whose columns are not understood is refused whole; a line that makes no sense is kept
as it is, for its own result. Pure, reading and writing of bytes apart. Next: `console/operations/importing.py`.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from console.operations.errors import wrong_use
from shared.domain.discovery import Discovery, Proposal

COLUMNS = ("customer", "name", "tenant", "domain", "why")
NEEDED = ("customer", "tenant")
UNDECIDED = "?"  # stands for the tenant where a person must choose
LARGEST = 4 * 1024 * 1024  # bytes; a thousand customers are some 200 kB
_FORMULA = frozenset("=@+-\t\r")
_MARKS: Mapping[bytes, str] = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


@dataclass(frozen=True, slots=True)
class ImportLine:
    """One line as it was typed. `customer`: a number or a name; `tenant`: a GUID, a domain, "?" or blank (no Entra).

    `is_whole`: False when it has more or fewer cells than the header, so that none can be trusted.
    """

    number: int
    customer: str
    tenant: str
    is_whole: bool = True


def read_lines(content: bytes) -> tuple[ImportLine, ...]:
    """Raises wrong use for a file that is none: then nothing may be changed."""
    if len(content) > LARGEST:
        raise wrong_use(f"The file is larger than {LARGEST // 1024 // 1024} MiB: that is no list of customers.")
    rows = _rows(_text(content))
    header = next(rows, None)
    if header is None:
        raise wrong_use(f"The file is empty. Its first line must name the columns: {','.join(COLUMNS)}")
    names = _columns(header[1])
    return tuple(_line(number, names, cells) for number, cells in rows)


def written(found: Discovery) -> bytes:
    """The file for `customers import`: a byte order mark, so that spreadsheets read the names right.

    Only where nothing is left to choose the tenant is filled in; all else carries "?" and its reason.
    """
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\r\n")
    table.writerow(COLUMNS)
    for customer, name, tenant, domain, why in _written_rows(found):
        table.writerow([customer, safe_cell(name), tenant, safe_cell(domain), safe_cell(why)])
    return codecs.BOM_UTF8 + out.getvalue().encode()


def _written_rows(found: Discovery) -> Iterator[tuple[int, str, str, str, str]]:
    """One line per customer: several proposals for one are for a person to choose from."""
    of_customer: dict[int, list[Proposal]] = {}
    for each in found.proposals:
        of_customer.setdefault(each.customer_id, []).append(each)
    for own in of_customer.values():
        first = own[0]
        tenant = first.tenant_id if first.is_plain else UNDECIDED
        why = "; ".join(_choice(each) for each in own) if tenant == UNDECIDED else first.why
        yield first.customer_id, first.customer_name, tenant, first.domain, why
    for one in found.unplaced:
        why = f"{one.why}; put the tenant's id or domain here, or nothing if the customer has no Entra"
        yield one.customer_id, one.customer_name, UNDECIDED, "", why


def _choice(each: Proposal) -> str:
    return "; ".join([f"maybe {each.tenant_id}: {each.why}", *each.rivals])


def _text(content: bytes) -> str:
    for mark, encoding in _MARKS.items():
        if content.startswith(mark):
            return content.decode(encoding, "replace")
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def _rows(text: str) -> Iterator[tuple[int, Sequence[str]]]:
    """Lines with anything in them, with their numbers. "sep=;" is how a spreadsheet is told the delimiter."""
    first, _, rest = text.partition("\n")
    delimiter = first.strip().strip('"')[4:5] if first.strip().strip('"').lower().startswith("sep=") else ""
    skipped = 1 if delimiter else 0
    body = rest if delimiter else text
    reader = csv.reader(io.StringIO(body.replace("\0", ""), newline=""), delimiter=delimiter or _delimiter(first))
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num + skipped, [cell.strip().strip("\ufeff\u00a0") for cell in cells]
    except csv.Error:
        raise wrong_use(f"Line {reader.line_num + skipped} of the file is no CSV. Save it again as CSV.") from None


def _delimiter(header: str) -> str:
    return max(",;\t", key=header.count)


def _columns(header: Sequence[str]) -> Sequence[str]:
    names = [name.lower() for name in header]
    while names and not names[-1]:  # a spreadsheet saves empty columns along
        names.pop()
    unknown = [name for name in names if name not in COLUMNS]
    twice = [name for name in names if names.count(name) > 1]
    missing = [name for name in NEEDED if name not in names]
    expected = f"The first line must name the columns: {','.join(COLUMNS)} (name, domain and why may be missing)."
    if unknown:
        raise wrong_use(f"The file has a column that is not known: {unknown[0] or 'one without a name'}. {expected}")
    if twice or missing:
        what = f"has the column {twice[0]} twice" if twice else f"lacks the column {missing[0]}"
        raise wrong_use(f"The file {what}. {expected}")
    return names


def _line(number: int, names: Sequence[str], cells: Sequence[str]) -> ImportLine:
    whole = len(cells) >= len(names) and not any(cells[len(names) :])
    cell = dict(zip(names, cells, strict=False))
    return ImportLine(number, cell.get("customer", ""), cell.get("tenant", ""), whole)


def safe_cell(value: str) -> str:
    """A spreadsheet would run a cell that begins like a formula; a leading apostrophe keeps it text."""
    return f"'{value}" if value[:1] in _FORMULA else value

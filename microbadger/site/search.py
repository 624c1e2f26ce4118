"""Finds tracked images by name and description, the best match first."""

from sqlalchemy import Column, ColumnElement, Connection, bindparam, case, func, or_, select, true

from microbadger.store import CHECKS, RECORDS

_LONGEST_TERM = 255  # characters, as in the longest name
_ESCAPE = "!"
_ANY: ColumnElement[bool] = true()
_ESCAPED = str.maketrans({character: f"{_ESCAPE}{character}" for character in "%_!"})


def _matches(column: Column[str], pattern: str) -> ColumnElement[bool]:
    return column.like(bindparam(pattern), escape=_ESCAPE)


# The order of matches: the name is the term, its last part is the term, it begins with the term, one of its parts
# begins with the term, it contains the term, and finally the description contains the term.
_RANK = case(
    (CHECKS.c.name == bindparam("term"), 0),
    (_matches(CHECKS.c.name, "last_part"), 1),
    (_matches(CHECKS.c.name, "beginning"), 2),
    (_matches(CHECKS.c.name, "beginning_of_part"), 3),
    (_matches(CHECKS.c.name, "anywhere"), 4),
    else_=5,
)
_FOUND = (
    select(CHECKS.c.name)
    .select_from(CHECKS.outerjoin(RECORDS, RECORDS.c.image == CHECKS.c.image))
    .where(or_(_matches(CHECKS.c.name, "anywhere"), _matches(RECORDS.c.description, "anywhere")))
    .order_by(_RANK, func.coalesce(RECORDS.c.pull_count, 0).desc(), CHECKS.c.name)
    .limit(bindparam("at_most"))
)


def search(connection: Connection, term: str, at_most: int, where: ColumnElement[bool] = _ANY) -> list[str]:
    """Return the names of the images that match a term best, names before descriptions and popular images first.

    ``where`` says which images may be named.
    """
    term = searchable(term)
    if not term or len(term) > _LONGEST_TERM:
        return []
    pattern = term.translate(_ESCAPED)
    parameters = {
        "term": term,
        "last_part": f"%/{pattern}",
        "beginning": f"{pattern}%",
        "beginning_of_part": f"%/{pattern}%",
        "anywhere": f"%{pattern}%",
        "at_most": at_most,
    }
    return [*connection.execute(_FOUND.where(where), parameters).scalars()]


def searchable(text: str) -> str:
    """Return a text for searching: in lower case, on one line, and without characters that databases refuse.

    >>> searchable("  A Web\\nServer ")
    'a web server'
    """
    return " ".join(text.lower().replace("\0", "").split()).encode("utf-8", "replace").decode()

"""What a command prints: a table, lines, and what went wrong."""

import sys
from collections.abc import Iterable

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

console = Console(highlight=False)


def show(title: str, columns: list[str], rows: Iterable[tuple[str | Text, ...]]) -> None:
    table = Table(*columns, title=title or None, box=None, title_justify="left", pad_edge=False)
    for row in rows:
        table.add_row(
            *(Text(cell) if isinstance(cell, str) else cell for cell in row)
        )  # brackets as they are
    console.print(table)


def tell(lines: Iterable[str]) -> None:
    for line in lines:
        console.print(line, soft_wrap=True, markup=False)


def finish(problems: Iterable[str]) -> None:
    """Print what went wrong, a line each, and end with 1 if anything did."""
    problems = list(problems)
    for problem in problems:
        print(f"✗ {problem}", file=sys.stderr)
    if problems:
        raise typer.Exit(1)

"""The command line as it is, for those who write it down: its commands, and whether a line would be taken."""

from collections.abc import Iterator, Sequence

import typer
from typer.core import TyperGroup

from dashboard.cli import app


def root() -> TyperGroup:
    """`incidentscribe` itself."""
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    return group


def paths(group: TyperGroup | None = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command and group: `()`, `("deploy",)`, `("user", "invite")`."""
    group = group or root()
    yield path
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from paths(command, (*path, name))
        else:
            yield (*path, name)


def problem(arguments: Sequence[str], *, whole: bool = True) -> str:
    """What our own parser finds wrong with the arguments, or nothing; no command is run.

    `whole`: nothing that is needed may be left out.
    """
    left, path = list(arguments), ["incidentscribe"]
    command = root()
    while isinstance(command, TyperGroup) and left and not left[0].startswith("-"):
        if left[0] not in command.commands:
            return f"{' '.join(path)} has no command {left[0]}"
        path.append(left[0])
        command = command.commands[left.pop(0)]  # type: ignore[assignment]
    if "--help" in left:
        return ""
    try:
        command.make_context(" ".join(path), left, resilient_parsing=not whole).close()
    except typer.Exit:
        return "" if not whole else f"{' '.join(path)} needs a command"
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        return str(error.format_message())
    return ""

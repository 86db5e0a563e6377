"""What each thing that people can do is called, does, and does not undo: the words of the dialogs."""

from __future__ import annotations

from typing import NamedTuple

from dashboard.domain.powers import Change, Command, Power


class About(NamedTuple):
    """`field` is the label of a text that goes with it; empty: none is asked for."""

    title: str
    icon: str
    verb: str
    done: str
    does: str = ""
    leaves: str = ""
    field: str = ""


ABOUT: dict[Power, About] = {
    Change.NOTE: About(
        "Add a note",
        ":material/edit_note:",
        "Add the note",
        "The note is on record.",
        does="It stays with the incident for good, with your name and the time; it cannot be edited.",
        field="Note",
    ),
    Change.ASSIGN: About(
        "Assign the incident",
        ":material/person_add:",
        "Assign",
        "It is assigned.",
        does="Everybody sees who has it. Nobody is told by this.",
    ),
    Change.SEVERITY: About(
        "Change the severity", ":material/swap_vert:", "Change the severity", "The severity is changed."
    ),
    Change.RESOLVE: About(
        "Resolve the incident",
        ":material/check_circle:",
        "Resolve",
        "It is resolved.",
        does="The incident counts as mended from now on. A proposal that waits is cancelled, and no action "
        "is begun any more.",
        leaves="What was carried out stays. A run at work goes on to its end; kill it if it should stop.",
        field="What mended it (optional)",
    ),
    Change.REOPEN: About(
        "Reopen the incident",
        ":material/replay:",
        "Reopen",
        "It is open again.",
        does="The incident is open again and says that a person is needed. No run starts by this.",
        leaves="What was found, decided and carried out stays on record.",
        field="Why",
    ),
    Change.CLOSE: About(
        "Close the incident",
        ":material/lock:",
        "Close",
        "It is closed.",
        does="Nothing more is expected of anybody. A proposal that waits is cancelled.",
        leaves="What was carried out stays. A run at work goes on to its end. It can be reopened.",
        field="Why (optional)",
    ),
    Command.KILL: About(
        "Kill the run",
        ":material/stop_circle:",
        "Kill the run",
        "The kill is on its way.",
        does="From this moment no action is begun. Kestra is told to stop the run; a proposal that waits is "
        "cancelled when it has stopped.",
        leaves="An action that was begun may still happen or have happened: nothing is taken back. "
        "What was found is kept.",
        field="Why (optional)",
    ),
    Command.RESTART: About(
        "Restart from the failed step",
        ":material/resume:",
        "Restart",
        "The restart is on its way.",
        does="Kestra goes on with the same run at the step that failed; steps before it keep their results.",
        leaves="An action that was begun is not begun a second time.",
        field="Why (optional)",
    ),
    Command.RUN_AGAIN: About(
        "Run again",
        ":material/restart_alt:",
        "Start a new run",
        "The new run is on its way.",
        does="A new run starts from the first step: it gathers evidence anew, analyses anew, and goes the "
        "way of the severity as it is now. What needs an approval is asked for again.",
        leaves="Earlier runs, their findings and everything they carried out stay as they are.",
        field="Why (optional)",
    ),
}

WITHDRAW = About(
    "Take the request back",
    ":material/undo:",
    "Take it back",
    "It is taken back.",
    does="What was not delivered yet is not delivered any more.",
    leaves="If it has just reached Kestra, it happens, and the page says so. A run whose kill was asked for "
    "begins no action any more, also when the kill is taken back.",
    field="Why",
)

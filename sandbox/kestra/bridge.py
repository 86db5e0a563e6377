"""The only module that speaks to the JVM: starting it, naming classes, moving values and errors across.

Java objects are typed `Any`: JPype builds their classes at run time.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import jpype

from sandbox.kestra.jre import libjvm


class JavaFailure(Exception):
    """A Java exception. `kinds` holds its class name and those of its parents, without the packages."""

    def __init__(self, message: str, kinds: Sequence[str]) -> None:
        super().__init__(message)
        self.message = message
        self.kinds = tuple(kinds)


def start_jvm(class_path: Sequence[Path], options: Sequence[str]) -> None:
    """Starts the JVM of this process; it can be done once, and never undone."""
    jpype.startJVM(str(libjvm()), *options, classpath=[str(jar) for jar in class_path])


@cache
def java(name: str) -> Any:
    """The Java class of that full name (nested classes with `$`)."""
    return jpype.JClass(name)


@contextmanager
def failures() -> Iterator[None]:
    """Turns a Java exception into a JavaFailure; wrappers of reactor and of lambdas are taken off."""
    try:
        yield
    except jpype.JException as error:
        raise _failure(error) from error


def _failure(error: Any) -> JavaFailure:
    thrown = java("reactor.core.Exceptions").unwrap(error)
    kinds, kind = [], thrown.getClass()
    while kind is not None and str(kind.getName()) != "java.lang.Object":
        kinds.append(str(kind.getSimpleName()))
        kind = kind.getSuperclass()
    return JavaFailure(str(thrown.getMessage()), kinds)


def optional(value: Any) -> Any | None:
    """The content of a `java.util.Optional`, or None."""
    return value.get() if value.isPresent() else None


def to_json_text(value: Any) -> str:
    """The JSON that Kestra's own mapper writes for a Java object."""
    return str(_mapper().writeValueAsString(value))


def to_python(value: Any) -> Any:
    """A Java object as the dicts, lists and scalars of its JSON."""
    return json.loads(to_json_text(value))


@cache
def _mapper() -> Any:
    """Kestra's mapper, with the one setting its HTTP server adds: durations as `PT0.3S`, not as numbers."""
    numbers = java("com.fasterxml.jackson.databind.SerializationFeature").WRITE_DURATIONS_AS_TIMESTAMPS
    return java("io.kestra.core.serializers.JacksonMapper").ofJson().copy().disable(numbers)


def java_map(values: Mapping[str, Any]) -> Any:
    """A `java.util.HashMap` of plain values (strings, numbers, booleans)."""
    result = java("java.util.HashMap")()
    for key, value in values.items():
        result.put(key, value)
    return result


def string_lists(pairs: Iterable[tuple[str, str]]) -> Any:
    """A `Map<String, List<String>>` of repeatable names, in the order of their first appearance."""
    result = java("java.util.LinkedHashMap")()
    for name, value in pairs:
        result.computeIfAbsent(name, lambda _: java("java.util.ArrayList")()).add(value)
    return result


def null(name: str) -> Any:
    """`null` of that class, where overloads would leave a plain None ambiguous."""
    return jpype.JObject(None, java(name))


def seconds(number: float) -> Any:
    """A `java.time.Duration`."""
    return java("java.time.Duration").ofMillis(round(number * 1000))


def generic(raw: str, argument: str) -> Any:
    """Micronaut's description of the bean type `raw<argument>`."""
    arguments = jpype.JArray(java("java.lang.Class"))([java(argument).class_])
    return java("io.micronaut.core.type.Argument").of(java(raw).class_, arguments)


def consumer(function: Callable[[Any], object]) -> Any:
    """A Python function as `java.util.function.Consumer`; it is called on Java's threads."""
    return jpype.JProxy("java.util.function.Consumer", dict={"accept": function})


def runnable(function: Callable[[], object]) -> Any:
    """A Python function as `java.lang.Runnable`; it is called on Java's threads."""
    return jpype.JProxy("java.lang.Runnable", dict={"run": function})


def form_part(name: str, content: bytes) -> Any:
    """One field of a multipart form, as Micronaut hands it to Kestra."""
    return jpype.JProxy(
        "io.micronaut.http.multipart.CompletedPart",
        dict={"getName": lambda: name, "getBytes": lambda: jpype.JArray(jpype.JByte)(content)},
    )


def publisher(items: Iterable[Any]) -> Any:
    """A reactive publisher of the items."""
    return java("reactor.core.publisher.Flux").fromIterable(java("java.util.ArrayList")(list(items)))

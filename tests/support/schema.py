"""Everything that migrations make, as lines of text to compare two databases."""

from typing import Any

import psycopg

_DESCRIPTIONS = {
    "schema": """
        select n.nspname, n.nspacl::text, obj_description(n.oid, 'pg_namespace')
        from pg_namespace n where {ours}""",
    "relation": """
        select c.oid::regclass, c.relkind, c.relowner::regrole, c.relacl::text, c.relrowsecurity,
            c.relforcerowsecurity, c.reloptions, pg_get_viewdef(c.oid), obj_description(c.oid, 'pg_class')
        from pg_class c join pg_namespace n on n.oid = c.relnamespace where {ours} and c.relkind <> 'i'""",
    "column": """
        select c.oid::regclass, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
            a.attidentity, a.attgenerated, a.attacl::text, pg_get_expr(d.adbin, d.adrelid),
            col_description(c.oid, a.attnum)
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
            join pg_attribute a on a.attrelid = c.oid
            left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
        where {ours} and c.relkind in ('r', 'p', 'v', 'm') and a.attnum > 0""",
    "constraint": """
        select k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid), k.convalidated
        from pg_constraint k join pg_namespace n on n.oid = k.connamespace where {ours}""",
    "index": """
        select pg_get_indexdef(i.indexrelid), i.indisvalid
        from pg_index i join pg_class c on c.oid = i.indexrelid
            join pg_namespace n on n.oid = c.relnamespace
        where {ours}""",
    "function": """
        select pg_get_functiondef(p.oid), p.proowner::regrole, p.proacl::text,
            obj_description(p.oid, 'pg_proc')
        from pg_proc p join pg_namespace n on n.oid = p.pronamespace where {ours}""",
    "trigger": """
        select t.tgrelid::regclass, pg_get_triggerdef(t.oid), t.tgenabled
        from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
        where {ours} and not t.tgisinternal""",
    "policy": """
        select p.polrelid::regclass, p.polname, p.polcmd, p.polpermissive, p.polroles::regrole[],
            pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)
        from pg_policy p join pg_class c on c.oid = p.polrelid join pg_namespace n on n.oid = c.relnamespace
        where {ours}""",
    "type": """
        select format_type(t.oid, null), t.typtype,
            array(select e.enumlabel from pg_enum e where e.enumtypid = t.oid)
        from pg_type t join pg_namespace n on n.oid = t.typnamespace where {ours}""",
}
_OURS = "n.nspname in ('public', 'private')"


def describe(connection: "psycopg.Connection[tuple[Any, ...]]") -> list[str]:
    """One line for each thing in our schemas: what it is, who may use it, what is said about it."""
    lines = []
    for kind, query in _DESCRIPTIONS.items():
        for row in connection.execute(query.format(ours=_OURS).encode()):
            lines.append(f"{kind}: " + " | ".join(map(str, row)))
    return sorted(lines)

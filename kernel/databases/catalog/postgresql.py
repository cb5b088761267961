"""The catalog of PostgreSQL, as far as it decides which rows a statement reads and writes.

The statements run with a search path that begins with ``pg_catalog``, because the path of the session can lead to forged catalogs.

It has no owners, privileges, statistics and storage parameters of tables: these cause errors at most. Definitions are those of the
functions that pg_dump uses, so they are the same in each version of PostgreSQL.
"""

# One row for each table, with one definition for each relation of this name in the search path, and for temporary ones of
# any session.
_RELATIONS = """
SELECT 'table', c.relname, '', string_agg(concat_ws(' ', c.relkind, c.relpersistence, m.amname,
    CASE WHEN c.relrowsecurity THEN 'row security' END, CASE WHEN c.relforcerowsecurity THEN 'forced' END), ', ')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_am m ON m.oid = c.relam
WHERE c.relname = ANY (%(tables)s) AND (n.nspname = ANY (%(schemas)s) OR c.relpersistence = 't') GROUP BY c.relname
"""
_COLUMNS = """
SELECT 'column', c.relname, a.attname, concat_ws(' ', format_type(a.atttypid, a.atttypmod),
    CASE WHEN a.attcollation <> t.typcollation THEN 'collate ' || a.attcollation::regcollation END,
    CASE WHEN a.attnotnull THEN 'not null' END,
    CASE WHEN a.attidentity <> '' THEN 'identity ' || a.attidentity::text END,
    CASE WHEN a.attgenerated <> '' THEN 'generated ' || a.attgenerated::text END,
    'default ' || pg_get_expr(d.adbin, d.adrelid))
FROM ours c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (c.oid, a.attnum)
"""
# PostgreSQL 18 has a constraint for each NOT NULL. Disabled triggers do not check a foreign key.
_CONSTRAINTS = """
SELECT 'constraint', c.relname, k.conname, pg_get_constraintdef(k.oid, true) || CASE WHEN EXISTS (
    SELECT 1 FROM pg_trigger t WHERE t.tgconstraint = k.oid AND t.tgenabled NOT IN ('O', 'A')) THEN ' disabled' ELSE '' END
FROM ours c JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype <> 'n'
"""
_REFERENCES = """
SELECT 'foreign key', c.relname, concat(k.conname, ' of ', k.conrelid::regclass), pg_get_constraintdef(k.oid, true)
FROM ours c JOIN pg_constraint k ON k.confrelid = c.oid AND k.conrelid NOT IN (SELECT oid FROM ours)
"""
# No query uses an invalid index, but writes keep it up, and call its functions, if it is ready.
_INDEXES = """
SELECT 'index', c.relname, i.relname, pg_get_indexdef(i.oid, 0, true) || CASE WHEN x.indisvalid THEN '' ELSE ' invalid' END
FROM ours c JOIN pg_index x ON x.indrelid = c.oid AND (x.indisvalid OR x.indisready) JOIN pg_class i ON i.oid = x.indexrelid
"""
# tgenabled is O: it fires, except on a replica. An internal trigger belongs to a constraint.
_TRIGGERS = """
SELECT 'trigger', c.relname, t.tgname, pg_get_triggerdef(t.oid, true) || CASE t.tgenabled
    WHEN 'O' THEN '' WHEN 'A' THEN '' ELSE ' disabled' END
FROM ours c JOIN pg_trigger t ON t.tgrelid = c.oid AND NOT (t.tgisinternal AND t.tgconstraint <> 0)
"""
_RULES = """
SELECT 'rule', c.relname, r.rulename, pg_get_ruledef(r.oid, true) FROM ours c JOIN pg_rewrite r ON r.ev_class = c.oid
"""
_POLICIES = """
SELECT 'policy', c.relname, p.polname, concat_ws(' ', pg_get_expr(p.polqual, c.oid), pg_get_expr(p.polwithcheck, c.oid))
FROM ours c JOIN pg_policy p ON p.polrelid = c.oid
"""
# An identity takes its values from a sequence.
_SEQUENCES = """
SELECT 'sequence', c.relname, s.seqrelid::regclass,
    concat_ws(' ', s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcycle)
FROM ours c JOIN pg_depend d ON (d.refclassid, d.refobjid, d.classid) = ('pg_class'::regclass, c.oid, 'pg_class'::regclass)
JOIN pg_sequence s ON s.seqrelid = d.objid
"""
# ANALYZE calls the functions of expressions.
_STATISTICS = """
SELECT 'statistics', c.relname, s.stxname, pg_get_statisticsobjdef(s.oid)
FROM ours c JOIN pg_statistic_ext s ON s.stxrelid = c.oid WHERE s.stxexprs IS NOT NULL
"""
_INHERITANCE = """
SELECT 'inheritance', c.relname, concat(h.inhrelid::regclass, ' from ', h.inhparent::regclass), ''
FROM ours c JOIN pg_inherits h ON c.oid IN (h.inhrelid, h.inhparent)
"""
# Functions of an extension are excluded only if they are in C: the owner of an extension can add others to it.
_NOT_OF_EXTENSION = """
NOT (l.lanname = 'c' AND EXISTS (
    SELECT 1 FROM pg_depend d WHERE (d.classid, d.objid, d.deptype) = ('{catalog}'::regclass, {oid}, 'e')))
"""
# A function or operator that has the name of one of PostgreSQL takes its place if its types fit better. Types of others do not
# fit better, because no column of ours has one. 16384 is the first id that initdb does not assign.
_FUNCTIONS = f"""
SELECT 'function', '', p.oid::regprocedure, concat_ws(' ', l.lanname, p.prorettype::regtype, p.prokind, p.provolatile,
    pg_get_function_arguments(p.oid), CASE WHEN p.proisstrict THEN 'strict' END, CASE WHEN p.prosecdef THEN 'security definer' END, p.proconfig::text, p.prosrc)
FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE p.oid >= 16384 AND n.nspname = ANY (%(schemas)s) AND (p.proname = ANY (%(functions)s)
    OR p.proname IN (SELECT b.proname FROM pg_proc b WHERE b.oid < 16384))
    AND NOT EXISTS (SELECT 1 FROM unnest(p.proargtypes) a (type) WHERE a.type >= 16384)
    AND {_NOT_OF_EXTENSION.format(catalog="pg_proc", oid="p.oid")}
"""  # noqa: S608 - constants
_OPERATORS = f"""
SELECT 'operator', '', o.oid::regoperator, p.oid::regprocedure
FROM pg_operator o JOIN pg_proc p ON p.oid = o.oprcode JOIN pg_language l ON l.oid = p.prolang
JOIN pg_namespace n ON n.oid = o.oprnamespace
WHERE o.oid >= 16384 AND n.nspname = ANY (%(schemas)s) AND o.oprleft < 16384 AND o.oprright < 16384
    AND o.oprname IN (SELECT b.oprname FROM pg_operator b WHERE b.oid < 16384)
    AND {_NOT_OF_EXTENSION.format(catalog="pg_operator", oid="o.oid")}
"""  # noqa: S608 - constants
_CASTS = f"""
SELECT 'cast', '', concat(c.castsource::regtype, ' to ', c.casttarget::regtype), concat_ws(' ', c.castcontext, c.castfunc::regprocedure)
FROM pg_cast c LEFT JOIN pg_proc p ON p.oid = c.castfunc LEFT JOIN pg_language l ON l.oid = p.prolang
WHERE c.oid >= 16384 AND c.castsource < 16384 AND c.casttarget < 16384
    AND {_NOT_OF_EXTENSION.format(catalog="pg_cast", oid="c.oid")}
"""  # noqa: S608 - constants
# Such a trigger can make temporary tables, which come first in the search path. It exists from PostgreSQL 17 on.
_LOGIN_TRIGGERS = """
SELECT 'event trigger', '', evtname, evtfoid::regprocedure FROM pg_event_trigger WHERE evtevent = 'login' AND evtenabled <> 'D'
"""
# Settings of the role or the database that change what a statement does.
_SETTINGS = """
SELECT 'setting', '', name, current_setting(name) FROM unnest(ARRAY['session_replication_role', 'standard_conforming_strings',
    'transform_null_equals', 'array_nulls', 'gin_fuzzy_search_limit', 'zero_damaged_pages', 'ignore_checksum_failure']) name
"""
_OURS = """
WITH ours AS MATERIALIZED (
    SELECT c.oid, c.relname FROM pg_class c WHERE c.relname = ANY (%(tables)s) AND pg_table_is_visible(c.oid)
)
"""
_OF_TABLES = (
    _COLUMNS,
    _CONSTRAINTS,
    _REFERENCES,
    _INDEXES,
    _TRIGGERS,
    _RULES,
    _POLICIES,
    _SEQUENCES,
    _STATISTICS,
    _INHERITANCE,
)
_OTHERS = (_RELATIONS, _FUNCTIONS, _OPERATORS, _CASTS, _LOGIN_TRIGGERS, _SETTINGS)

STATEMENTS = (*(f"{_OURS} {each}" for each in _OF_TABLES), *_OTHERS)
"""Each returns (kind, table, name, definition). Parameters: ``tables`` and ``functions``, the names of ours, and ``schemas``, those
of the search path."""

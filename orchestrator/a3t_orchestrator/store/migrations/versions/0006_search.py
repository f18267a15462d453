"""Adds a full-text search over observations, thoughts and actions. Triggers keep its index up to date.

`trajectory_search` has the words of every trajectory under its number: on SQLite an FTS5 table that does not store the
texts, on PostgreSQL a tsvector with a GIN index. Punctuation separates words in both, so that both find the same.
"""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"

_SQLITE = (
    """
    CREATE VIEW trajectory_texts AS
    SELECT number, (
      SELECT group_concat(
        coalesce(json_extract(step.value, '$.observation'), '') || char(10)
        || coalesce(json_extract(step.value, '$.thought'), '') || char(10)
        || coalesce(json_extract(step.value, '$.action'), ''), char(10))
      FROM json_each(steps) AS step
    ) || char(10) || final_observation AS text
    FROM trajectory_steps
    """,
    """
    CREATE VIRTUAL TABLE trajectory_search
    USING fts5(text, content='trajectory_texts', content_rowid='number', tokenize="unicode61 remove_diacritics 0")
    """,
    "INSERT INTO trajectory_search (rowid, text) SELECT number, text FROM trajectory_texts",
    """
    CREATE TRIGGER trajectory_steps_inserted AFTER INSERT ON trajectory_steps BEGIN
      INSERT INTO trajectory_search (rowid, text) SELECT number, text FROM trajectory_texts WHERE number = new.number;
    END
    """,
    """
    CREATE TRIGGER trajectory_steps_changing BEFORE UPDATE OF steps, final_observation ON trajectory_steps BEGIN
      INSERT INTO trajectory_search (trajectory_search, rowid, text)
      SELECT 'delete', number, text FROM trajectory_texts WHERE number = old.number;
    END
    """,
    """
    CREATE TRIGGER trajectory_steps_changed AFTER UPDATE OF steps, final_observation ON trajectory_steps BEGIN
      INSERT INTO trajectory_search (rowid, text) SELECT number, text FROM trajectory_texts WHERE number = new.number;
    END
    """,
    """
    CREATE TRIGGER trajectory_steps_deleting BEFORE DELETE ON trajectory_steps BEGIN
      INSERT INTO trajectory_search (trajectory_search, rowid, text)
      SELECT 'delete', number, text FROM trajectory_texts WHERE number = old.number;
    END
    """,
)
_SQLITE_TRIGGERS = ("inserted", "changing", "changed", "deleting")

_PUNCTUATION = r"""!"#$%&'()*+,-./:;<=>?@[\]^_`{|}~‘’‚“”„«»–—…·•€£¥§°©®™"""
_MOST_CHARACTERS = 400_000
"""Number of characters of an episode that PostgreSQL indexes; fewer if they would exceed the size of a tsvector (1
MiB)."""

_POSTGRESQL = (
    f"""
    CREATE FUNCTION trajectory_words(steps jsonb, final_observation text) RETURNS tsvector
    LANGUAGE plpgsql IMMUTABLE AS $$
    DECLARE
      told text := (
        SELECT string_agg(concat_ws(' ', step->>'observation', step->>'thought', step->>'action'), ' ')
        FROM jsonb_array_elements(steps) AS step
      );
      size integer := {_MOST_CHARACTERS};
    BEGIN
      told := translate(left(concat_ws(' ', told, final_observation), size),
                        '{_PUNCTUATION.replace("'", "''")}', repeat(' ', {len(_PUNCTUATION)}));
      LOOP
        BEGIN
          RETURN to_tsvector('pg_catalog.simple', left(told, size));
        EXCEPTION WHEN program_limit_exceeded THEN
          size := size / 2;
        END;
      END LOOP;
    END $$
    """,
    """
    CREATE TABLE trajectory_search (
      number bigint PRIMARY KEY REFERENCES trajectory_steps (number) ON DELETE CASCADE,
      words tsvector NOT NULL
    )
    """,
    "INSERT INTO trajectory_search SELECT number, trajectory_words(steps, final_observation) FROM trajectory_steps",
    """
    CREATE INDEX ix_trajectory_search_words ON trajectory_search USING gin (words)
    WITH (gin_pending_list_limit = 512)
    """,
    """
    CREATE FUNCTION keep_trajectory_words() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO trajectory_search VALUES (NEW.number, trajectory_words(NEW.steps, NEW.final_observation))
      ON CONFLICT (number) DO UPDATE SET words = excluded.words;
      RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER trajectory_steps_words AFTER INSERT OR UPDATE OF steps, final_observation ON trajectory_steps
    FOR EACH ROW EXECUTE FUNCTION keep_trajectory_words()
    """,
)


def upgrade() -> None:
    bind = op.get_bind()
    if bind.dialect.name == "sqlite":
        for statement in _SQLITE:
            bind.exec_driver_sql(statement)
    else:
        for statement in _POSTGRESQL:
            bind.exec_driver_sql(statement.replace("%", "%%"))  # psycopg would read a single % as a parameter


def downgrade() -> None:
    bind = op.get_bind()
    if bind.dialect.name == "sqlite":
        for name in _SQLITE_TRIGGERS:
            bind.exec_driver_sql(f"DROP TRIGGER trajectory_steps_{name}")
        bind.exec_driver_sql("DROP TABLE trajectory_search")
        bind.exec_driver_sql("DROP VIEW trajectory_texts")
        return
    bind.exec_driver_sql("DROP TRIGGER trajectory_steps_words ON trajectory_steps")
    bind.exec_driver_sql("DROP FUNCTION keep_trajectory_words()")
    bind.exec_driver_sql("DROP TABLE trajectory_search")
    bind.exec_driver_sql("DROP FUNCTION trajectory_words(jsonb, text)")

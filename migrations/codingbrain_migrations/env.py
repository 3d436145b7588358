"""Runs the revisions on the connection that the caller hands over.

The caller owns the transaction: either all due revisions happen or none. Without a connection there is nothing
to run on; revisions are never applied from a configuration file.
"""

from alembic import context
from sqlmodel import SQLModel

from codingbrain.record import tables

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=SQLModel.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transactional_ddl=True,
    include_name=lambda name, kind, _parents: kind != "table" or name in {"alembic_version", *tables.NAMES},
)
with context.begin_transaction():
    context.run_migrations()

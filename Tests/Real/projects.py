"""The projects, each pinned, and what an operator would write to point a fleet at them."""

import dataclasses

DRIVER = "psycopg2-binary"


@dataclasses.dataclass(frozen=True)
class Project:
    """One public Alembic project.

    `versions` are folders of revisions below `package`, `before` and `options` are lines of env.py
    that stand before its engine and in `context.configure`. `own_env` is the project's own env.py,
    which is run as it is, behind `before`.
    """

    name: str
    requirements: tuple
    package: str
    versions: tuple
    before: str = ""
    options: str = ""
    own_env: str = ""
    environment: dict = dataclasses.field(default_factory=dict)
    # Statements in Python that make of `engine` what the application makes before the first upgrade.
    initial: str = ""
    # In `public`, as a DBA would create them once for all tenants.
    extensions: tuple = ()
    driver: str = "postgresql+psycopg2"
    # How far back, and from where; None where the project has no downgrades.
    back: str | None = "-1"
    # Whether it is in no registry, so that somebody has to name a checkout.
    checkout: bool = False
    python: str = "python3"


PROJECTS = {project.name: project for project in (
    Project(
        "mlflow", ("mlflow==3.17.2", DRIVER),
        "mlflow", ("store/db_migrations/versions",),
        before="from mlflow.store.db.base_sql_model import Base",
        options="target_metadata=Base.metadata, render_as_batch=True",
        # As mlflow.store.db.utils._initialize_tables.
        initial=(
            "from mlflow.store.tracking.dbmodels.initial_models import Base\n"
            "Base.metadata.create_all(engine)"),
    ),
    Project(
        "prefect", ("prefect==3.9.1", DRIVER),
        "prefect", ("server/database/_migrations/versions/postgresql",),
        before="from prefect.server.database.dependencies import provide_database_interface",
        options="target_metadata=provide_database_interface().Base.metadata, include_schemas=True",
        environment={
            "PREFECT_HOME": "{cache}/prefect/home",
            # Only names the dialect: nothing connects to it.
            "PREFECT_API_DATABASE_CONNECTION_URL": "postgresql+asyncpg://nobody@localhost/none",
        },
        extensions=("pg_trgm",),
        driver="postgresql+asyncpg",  # Some steps have a `%` that psycopg2 does not take.
    ),
    Project(
        "airflow", ("apache-airflow==3.3.2", DRIVER, "asyncpg"),
        "airflow", ("migrations/versions",),
        before="from airflow import models, settings\nmodels.import_all_models()",
        options="target_metadata=models.base.Base.metadata, render_as_batch=True",
        environment={
            "AIRFLOW_HOME": "{cache}/airflow/home",
            "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql+psycopg2://nobody@localhost/none",
        },
    ),
    Project(
        # Its list is complete, and not in agreement with itself.
        "onyx", ("--no-deps", "-r", "{checkout}/backend/requirements/default.txt"),
        "backend", ("alembic/versions",),
        before=(
            "from onyx.db.engine.shard_registry import ALEMBIC_TARGET_URL_ATTRIBUTE\n"
            "context.config.attributes[ALEMBIC_TARGET_URL_ATTRIBUTE] = (\n"
            "    context.get_x_argument(as_dictionary=True).get('url')\n"
            "    or context.config.get_main_option('sqlalchemy.url'))"),
        own_env="alembic/env.py",
        extensions=("pg_trgm",),
        driver="postgresql+asyncpg",
        checkout=True,
        python="python3.13",
    ),
    Project(
        "ckan", ("ckan[requirements]==2.12.0", DRIVER),
        "ckan", ("migration/versions",),
        before="import ckan.model",
        options="target_metadata=ckan.model.meta.metadata",
    ),
    Project(
        "neutron", ("neutron==26.0.6", DRIVER),
        "neutron", ("db/migration/alembic_migrations/versions",),
        before="from neutron.db.migration.models import head",
        options="target_metadata=head.get_metadata()",
        back=None,
    ),
)}

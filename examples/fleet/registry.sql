-- A registry as fastapi-tenancy keeps it, with three tenants: two with a schema in this database, one
-- with a database of its own.
CREATE TABLE tenants (
    id varchar(255) PRIMARY KEY,
    identifier varchar(255) NOT NULL UNIQUE,
    name varchar(255) NOT NULL,
    status varchar(50) NOT NULL DEFAULT 'active',
    isolation_strategy varchar(50),
    database_url text,
    schema_name varchar(255),
    tenant_metadata text NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

INSERT INTO tenants (id, identifier, name, isolation_strategy, database_url, tenant_metadata) VALUES
    ('t-1', 'acme', 'Acme', NULL, NULL, '{"plan": "standard"}'),
    ('t-2', 'globex', 'Globex', NULL, NULL, '{"plan": "standard"}'),
    ('t-3', 'initech', 'Initech', 'database', 'postgresql:///fleet_initech',
     '{"plan": "enterprise"}');

CREATE SCHEMA tenant_acme;
CREATE SCHEMA tenant_globex;

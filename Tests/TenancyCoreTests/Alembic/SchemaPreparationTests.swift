import Testing

@testable import Alembic
@testable import PostgresClient
@testable import Tenants

@Suite("What leads a command to the schema that it prepares")
struct SchemaPreparationTests {
    @Test(arguments: [
        (
            "postgresql+psycopg2://u:p%40ss@host:5433/app", [],
            [
                "PGHOST=host", "PGPORT=5433", "PGDATABASE=app", "PGUSER=u", "PGPASSWORD=p@ss",
                "PGOPTIONS=-csearch_path=\"verify_again\"", "SCHEMA=verify_again",
            ]
        ),
        (
            "postgresql://host/app?options=-cwork_mem%3D8MB&target_session_attrs=read-write",
            ["public", "Extras"],
            [
                "PGHOST=host", "PGDATABASE=app", "PGTARGETSESSIONATTRS=read-write",
                "PGOPTIONS=-cwork_mem=8MB -csearch_path=\"verify_again\",\"public\",\"Extras\"",
                "SCHEMA=verify_again",
            ]
        ),
    ])
    func libpqsVariablesDo(url: String, others: [String], expected: [String]) throws {
        let preparation = SchemaPreparation(extraSearchPath: try others.map(SchemaName.init))
        let found = preparation.variables(
            try SchemaName("verify_again"), try ConnectionString.parse(Secret(url)))
        #expect(Set(found) == Set(expected))
    }
}

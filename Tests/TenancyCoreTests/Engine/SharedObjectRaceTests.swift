import Testing

@testable import Engine

struct SharedObjectRaceTests {
    struct Case: Sendable {
        let state: String
        let message: String
        var constraint: String?
        var statement = "CREATE EXTENSION IF NOT EXISTS pg_trgm"
        let isRace: Bool
    }

    @Test(
        "what only says that several tenants made one object at once is told from real errors",
        arguments: [
            Case(
                state: "23505", message: "duplicate key value",
                constraint: "pg_extension_name_index", isRace: true),
            Case(
                state: "23505", message: "duplicate key value", constraint: "users_email_key",
                isRace: false),
            Case(
                state: "23505",
                message: #"violates unique constraint "pg_type_typname_nsp_index""#,
                isRace: true),
            Case(
                state: "23505",
                message: #"duplicate key value violates unique constraint "users_email_key""#,
                isRace: false),
            Case(state: "XX000", message: "tuple concurrently updated", isRace: true),
            Case(state: "XX000", message: "tuple concurrently deleted", isRace: true),
            Case(state: "XX000", message: "cache lookup failed for relation 7", isRace: false),
            Case(state: "42710", message: "extension already exists", isRace: true),
            Case(
                state: "42P07", message: "relation exists",
                statement: "create table\n  if not  exists public.t (id int)", isRace: true),
            Case(
                state: "42P07", message: "relation exists",
                statement: "CREATE TABLE public.t (id int)", isRace: false),
            Case(state: "42501", message: "permission denied", isRace: false),
        ])
    func races(each: Case) {
        #expect(
            SharedObjectRace.isOne(
                state: each.state, message: each.message, constraint: each.constraint,
                statement: each.statement) == each.isRace)
    }
}

/// What a look at one database has found.
package struct DatabaseFacts: Sendable, Equatable {
    /// Who answers between the daemon and the server.
    package enum Pooler: Sendable, Equatable {
        case none
        /// A session keeps its server connection.
        case session
        /// Each transaction gets another session.
        case transaction
    }

    /// An object of the catalogue.
    package struct Orphan: Sendable, Equatable {
        package let kind: String
        package let oid: String
        package let name: String
    }

    /// An index that a build has left half done.
    package struct InvalidIndex: Sendable, Equatable {
        /// As SQL, like that of its table.
        package let name: String
        package let table: String
        package let isInToast: Bool
    }

    /// Server and database, for people.
    package var subject: String
    /// As libpq has it: 150018.
    package var serverVersion: Int
    /// The server's clock before or after this machine's, in milliseconds.
    package var clockOffset: Int64
    /// Half the time that the answer took: the offset is not known more closely.
    package var clockUncertainty: Int64
    package var isStandby: Bool
    package var isReadOnly: Bool
    package var pooler: Pooler
    /// Connections that the role may open here in all.
    package var connectionLimit: Int
    /// What limits them: a setting.
    package var connectionLimitName: String
    /// Connections of all others.
    package var connectionsInUse: Int
    /// Functions, types and relations whose schema is gone; at most `DatabaseExaminer.listed` each.
    package var orphans: [Orphan]
    package var invalidIndexes: [InvalidIndex]
}

/// What is known of the control database besides.
package struct ControlFacts: Sendable, Equatable {
    package var schema: String
    package var schemaExists: Bool
    /// Whether the role may make the schema, or tables in it.
    package var mayCreate: Bool
    /// The release of its tables; nil where there are none.
    package var version: Int?
    /// The one that this program brings them to.
    package var ownVersion: Int
}

package import PostgresClient
package import Support

/// Where a tenant is in its life. A registry other than fastapi-tenancy's may have words of its
/// own; they are kept as they stand and are never taken for one of the four.
package struct TenantStatus: RawRepresentable, Sendable, Hashable {
    package let rawValue: String

    package init(rawValue: String) {
        self.rawValue = rawValue
    }

    package static let active = TenantStatus(rawValue: "active")
    package static let suspended = TenantStatus(rawValue: "suspended")
    package static let deleted = TenantStatus(rawValue: "deleted")
    package static let provisioning = TenantStatus(rawValue: "provisioning")
}

/// One row of the tenant registry, as it stands there.
package struct Tenant: Sendable, Equatable {
    /// The primary key.
    package let id: String
    /// The name in addresses, such as `acme-corp`.
    package let identifier: String
    /// The name for people.
    package let name: String?
    package let status: TenantStatus
    /// The row's own strategy, unchecked: an unknown one is reported when the tenant is placed.
    package let isolationStrategy: String?
    /// The tenant's own database, possibly encrypted (`enc::`).
    package let databaseURL: Secret?
    /// The tenant's own schema, where the prefix does not give its name.
    package let schemaName: String?
    /// The application's own data: an object, or null where the row holds none that can be read.
    package let metadata: JSONValue

    package init(
        id: String, identifier: String, name: String? = nil, status: TenantStatus = .active,
        isolationStrategy: String? = nil, databaseURL: Secret? = nil, schemaName: String? = nil,
        metadata: JSONValue = .object([:])
    ) {
        self.id = id
        self.identifier = identifier
        self.name = name
        self.status = status
        self.isolationStrategy = isolationStrategy
        self.databaseURL = databaseURL
        self.schemaName = schemaName
        self.metadata = metadata
    }
}

extension Tenant: CustomStringConvertible, CustomDebugStringConvertible {
    package var description: String { "tenant \(identifier) (\(id))" }
    package var debugDescription: String { description }
}

/// The rule for a tenant's identifier that fastapi-tenancy derives names from: 3 to 63 lower-case
/// letters, digits and hyphens, a letter first and no hyphen last.
enum TenantIdentifier {
    static func isValid(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard (3...63).contains(bytes.count), bytes[0].isASCIILowercase,
            bytes[bytes.count - 1] != UInt8(ascii: "-")
        else { return false }
        return bytes.allSatisfy {
            $0.isASCIILowercase || $0.isASCIIDigit || $0 == UInt8(ascii: "-")
        }
    }

    /// The schema of a valid identifier, hyphens as underscores.
    static func schemaName(_ identifier: String, prefix: String) -> String {
        prefix + String(decoding: underscored(identifier), as: UTF8.self)
    }

    /// The database of a valid identifier, hyphens as underscores, several as one.
    static func databaseName(_ identifier: String) -> String {
        var name: [UInt8] = []
        for byte in underscored(identifier)
        where byte != UInt8(ascii: "_") || name.last != byte {
            name.append(byte)
        }
        return "tenant_\(String(decoding: name, as: UTF8.self))_db"
    }

    private static func underscored(_ text: String) -> [UInt8] {
        text.utf8.map { $0 == UInt8(ascii: "-") ? UInt8(ascii: "_") : $0 }
    }
}

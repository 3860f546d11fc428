/// What a private cluster is made of: where it lives, how it is reached, how it is set.
public struct ClusterConfiguration: Sendable {
    /// Where the cluster's files live.
    public enum Folder: Sendable, Equatable {
        /// A new folder under `/tmp`, removed when the cluster stops or its owner dies.
        case temporary
        /// A folder that stays. It is made when missing; a cluster left there by an earlier run is
        /// started again; a folder with anything else in it is refused.
        case at(String)
    }

    /// Who may connect over TCP. The socket is always open to the server's own user and to root,
    /// since nobody else can enter its folder.
    public enum Authentication: Sendable, Equatable {
        /// Everybody on this machine, as any role.
        case trust
        /// Those who know this password of the superuser, checked by SCRAM-SHA-256.
        case password(String)
    }

    public var folder: Folder
    /// The TCP port on 127.0.0.1; `nil` picks a free one.
    public var port: UInt16?
    public var authentication: Authentication
    /// Server settings by name, as in `postgresql.conf`; they win over every other place.
    public var settings: [String: String]
    /// How long the server may take to accept connections; crash recovery counts.
    public var startLimit: Duration

    /// A configuration; the defaults give a throw-away cluster open to this machine.
    public init(
        folder: Folder = .temporary, port: UInt16? = nil, authentication: Authentication = .trust,
        settings: [String: String] = [:], startLimit: Duration = .seconds(60)
    ) {
        self.folder = folder
        self.port = port
        self.authentication = authentication
        self.settings = settings
        self.startLimit = startLimit
    }

    /// Settings for data that nobody will miss: no wait for the disk. A crash of the server loses
    /// nothing even so; one of the machine does.
    public static let throwAwaySettings = ["fsync": "off", "full_page_writes": "off"]
}

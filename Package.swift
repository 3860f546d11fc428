// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

/// Every folder under Sources explains itself in a README; the build has no use for them.
func readmes(_ folders: String...) -> [String] {
    folders.map { $0 + "/README.md" }
}

/// The modules in Sources/TenancyCore, from the ground up.
let core = [
    "Support", "PostgresClient", "Tenants", "Revisions", "JobModel", "Engine", "Alembic",
    "ControlStore", "Scheduler", "Fleet",
]

let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let bitSets = Target.Dependency.product(name: "BitCollections", package: "swift-collections")
let deques = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
let heaps = Target.Dependency.product(name: "HeapModule", package: "swift-collections")

/// A folder of Sources/TenancyCore as a module of its own.
func room(
    _ name: String, folders: [String] = [], uses modules: [String],
    packages: [Target.Dependency] = [], resources: [Resource] = []
) -> Target {
    .target(
        name: name,
        dependencies: modules.map { .byName(name: $0) } + packages,
        path: "Sources/TenancyCore/" + name,
        exclude: ["README.md"] + folders.map { $0 + "/README.md" },
        resources: resources,
        swiftSettings: strict)
}

let package = Package(
    name: "migrationd",
    products: [
        .executable(name: "migrationd", targets: ["MigrationDaemon"]),
        .library(name: "HTTPLite", targets: ["HTTPLite"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    ],
    targets: [
        .systemLibrary(
            name: "CLibPQ", pkgConfig: "libpq",
            providers: [.apt(["libpq-dev"]), .brew(["libpq"])]),
        .systemLibrary(
            name: "COpenSSL", pkgConfig: "libssl",
            providers: [.apt(["libssl-dev"]), .brew(["openssl@3"])]),
        .systemLibrary(
            name: "CZlib", pkgConfig: "zlib",
            providers: [.apt(["zlib1g-dev"]), .brew(["zlib"])]),
        .systemLibrary(name: "CSystem"),
        room("Support", uses: ["COpenSSL", "CSystem", "Descriptors"]),
        room("PostgresClient", uses: ["CLibPQ", "CSystem", "Descriptors", "Support"]),
        room("Tenants", folders: ["Registry"], uses: ["COpenSSL", "PostgresClient", "Support"]),
        room("Revisions", uses: ["Support", "Tenants"], packages: [bitSets]),
        room("JobModel", uses: ["Revisions", "Support", "Tenants"]),
        room(
            "Engine", folders: ["Runners"],
            uses: ["JobModel", "PostgresClient", "Revisions", "Support", "Tenants"]),
        room(
            "Alembic",
            uses: [
                "ChildProcesses", "Descriptors", "Engine", "JobModel", "PostgresClient",
                "Revisions", "Support", "Tenants",
            ],
            // Carried in the binary, so that it needs no files beside it.
            resources: [.embedInCode("Python")]),
        room(
            "ControlStore",
            uses: ["Engine", "JobModel", "PostgresClient", "Revisions", "Support", "Tenants"]),
        room(
            "Scheduler",
            folders: [
                "ActiveJob", "Dispatch", "Events", "Recording", "Replicas", "Submission",
            ],
            uses: [
                "ControlStore", "Engine", "JobModel", "PostgresClient", "Revisions", "Support",
                "Tenants",
            ],
            packages: [deques, logging]),
        room(
            "Fleet",
            folders: ["Doctor"],
            uses: [
                "ControlStore", "Engine", "JobModel", "PostgresClient", "Revisions", "Support",
                "Tenants",
            ],
            packages: [logging]),
        .target(
            name: "DaemonConfiguration",
            dependencies: ["Engine", "JobModel", "PostgresClient", "Support", "Tenants"],
            exclude: ["README.md"],
            swiftSettings: strict),
        .target(
            name: "ControlAPI",
            dependencies: [
                "ControlStore", "Engine", "Fleet", "HTTPLite", "JobModel", "PostgresClient",
                "Revisions", "Scheduler", "Support", "Tenants",
            ],
            exclude: ["README.md"] + readmes("Access"),
            swiftSettings: strict),
        .target(
            name: "HTTPLite",
            dependencies: ["COpenSSL", "CSystem", "CZlib", "Descriptors", heaps],
            exclude: ["README.md"]
                + readmes(
                    "Client", "Connection", "Middleware", "Routing", "Server", "Sockets",
                    "Streaming",
                    "TLS", "Wire"),
            swiftSettings: strict),
        .target(
            name: "Descriptors",
            exclude: ["README.md"],
            swiftSettings: strict),
        .target(
            name: "ChildProcesses",
            dependencies: ["CSystem", "Descriptors"],
            exclude: ["README.md"],
            swiftSettings: strict),
        .target(
            name: "PrivatePostgres",
            dependencies: ["ChildProcesses", "Descriptors"],
            exclude: ["README.md"],
            swiftSettings: strict),
        .executableTarget(
            name: "MigrationDaemon",
            dependencies: core.map { .byName(name: $0) } + [
                "ControlAPI", "DaemonConfiguration", "Descriptors", "HTTPLite", "PrivatePostgres",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                logging,
            ],
            exclude: readmes("Client", "Commands", "Demo", "Terminal", "Wiring"),
            // A link to examples/fleet/migrations: the demo carries its migrations with it.
            resources: [.embedInCode("Demo/migrations")],
            swiftSettings: strict),
        .target(
            name: "TestSupport",
            dependencies: ["PrivatePostgres"],
            path: "Tests/TestSupport",
            swiftSettings: strict),
        .target(
            name: "CFailingPQ",
            dependencies: ["CLibPQ"],
            path: "Tests/CFailingPQ"),
        .testTarget(
            name: "TenancyCoreTests",
            dependencies: core.map { .byName(name: $0) } + [
                "ChildProcesses", "DaemonConfiguration", "Descriptors", "PrivatePostgres",
                "TestSupport",
                "CFailingPQ", logging,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "HTTPLiteTests",
            dependencies: ["Descriptors", "HTTPLite", "CZlib"],
            swiftSettings: strict),
        .testTarget(
            name: "MigrationDaemonTests",
            dependencies: ["ControlAPI", "MigrationDaemon", "TestSupport"],
            swiftSettings: strict),
    ]
)

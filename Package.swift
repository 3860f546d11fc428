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

let package = Package(
    name: "migrationd",
    products: [
        .executable(name: "migrationd", targets: ["MigrationDaemon"]),
        .library(name: "HTTPLite", targets: ["HTTPLite"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
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
        .target(
            name: "TenancyCore",
            dependencies: [
                "ChildProcesses", "CLibPQ", "COpenSSL", "CSystem", "Descriptors",
                .product(name: "Logging", package: "swift-log"),
            ],
            exclude: readmes(
                "Alembic", "Config", "ControlStore", "Engine", "Fleet", "JobModel",
                "PostgresClient", "Revisions",
                "Scheduler", "Scheduler/Dispatch", "Scheduler/Events", "Scheduler/Recording",
                "Scheduler/Replicas", "Scheduler/Submission",
                "Support", "Tenants", "Tenants/Registry"),
            // Carried in the binary, so that it needs no files beside it.
            resources: [.embedInCode("Alembic/Python")],
            swiftSettings: strict),
        .target(
            name: "HTTPLite",
            dependencies: ["COpenSSL", "CSystem", "CZlib", "Descriptors"],
            exclude: ["README.md"]
                + readmes(
                    "Client", "Connection", "Middleware", "Routing", "Server", "Streaming", "TLS",
                    "Wire"),
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
            dependencies: [
                "Descriptors", "TenancyCore", "HTTPLite", "PrivatePostgres",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            exclude: readmes("Client", "Commands", "Demo", "Routes", "Wiring"),
            // A link to examples/fleet/migrations: the demo carries its migrations with it.
            resources: [.embedInCode("Demo/migrations")],
            swiftSettings: strict),
        .target(
            name: "TestSupport",
            dependencies: ["TenancyCore", "PrivatePostgres"],
            path: "Tests/TestSupport",
            swiftSettings: strict),
        .target(
            name: "CFailingPQ",
            dependencies: ["CLibPQ"],
            path: "Tests/CFailingPQ"),
        .testTarget(
            name: "TenancyCoreTests",
            dependencies: [
                "ChildProcesses", "Descriptors", "TenancyCore", "TestSupport", "CFailingPQ",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "HTTPLiteTests",
            dependencies: ["Descriptors", "HTTPLite", "CZlib"],
            swiftSettings: strict),
        .testTarget(
            name: "MigrationDaemonTests",
            dependencies: ["MigrationDaemon", "TestSupport"],
            swiftSettings: strict),
    ]
)

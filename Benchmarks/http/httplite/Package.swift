// swift-tools-version: 6.2
import PackageDescription

// A server on HTTPLite alone, built as a user of the library would.
let package = Package(
    name: "http-httplite",
    dependencies: [.package(name: "migrationd", path: "../../..")],
    targets: [
        .executableTarget(
            name: "httplite", dependencies: [.product(name: "HTTPLite", package: "migrationd")])
    ]
)

// swift-tools-version: 6.2
import PackageDescription

// Servers that HTTPLite is compared with. A package of its own, so that the daemon's does not depend
// on them.
let package = Package(
    name: "http-peers",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/swhitty/FlyingFox", from: "0.27.1"),
    ],
    targets: [
        .executableTarget(
            name: "hummingbird",
            dependencies: [.product(name: "Hummingbird", package: "hummingbird")]),
        .executableTarget(
            name: "flyingfox",
            dependencies: [.product(name: "FlyingFox", package: "FlyingFox")]),
    ]
)

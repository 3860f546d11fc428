import Foundation
import Support
import Testing

@testable import MigrationDaemon

/// Files that hold an answer as it was reviewed.
enum Golden {
    /// Compares a value with its file; with `RECORD=1` in the environment the file is written.
    static func expect(
        _ value: JSONValue, is name: String, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let url = folder.appending(path: name)
        let text = Data(value.rendered(pretty: true)) + Data("\n".utf8)
        if ProcessInfo.processInfo.environment["RECORD"] == "1" { try text.write(to: url) }
        let recorded = try JSONValue.parse(Array(Data(contentsOf: url)))
        #expect(
            value == recorded, "\(name): \(value.renderedString())", sourceLocation: sourceLocation)
    }

    /// The root of the package.
    static let root = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    static let folder = root.appending(path: "Tests/Fixtures/api")

    /// A page of the documentation.
    static func page(_ name: String) throws -> String {
        try String(contentsOf: root.appending(path: "docs/\(name)"), encoding: .utf8)
    }
}

import Foundation
import Testing

@testable import MigrationDaemon

@Suite struct ErrorPageTests {
    /// Codes in backquotes in the first cells of a section's tables.
    private func documented() throws -> Set<String> {
        let page = try Golden.page("errors.md")
        let section = page.components(separatedBy: "\n## ").first {
            $0.hasPrefix("Tenant failures")
        }
        let cells = (section ?? "").split(separator: "\n").filter { $0.hasPrefix("| `") }
            .compactMap { $0.split(separator: "|").first }
        let words = cells.flatMap { $0.split(separator: "`").map(String.init) }
        return Set(words.filter { $0.allSatisfy { $0.isLowercase || $0 == "_" } })
    }

    private func source(_ name: String) throws -> String {
        let url = Golden.root.appending(path: "Sources/TenancyCore/\(name)")
        return try String(contentsOf: url, encoding: .utf8)
    }

    /// Words in quotes that follow a `marker` on a line, within the lines between two others.
    private func words(
        in text: String, after marker: String, from start: String = "", to end: String = "\u{0}"
    ) -> Set<String> {
        let rest = start.isEmpty ? text : text.components(separatedBy: start).dropFirst().joined()
        // A case may stand on a line of its own, with its word on the next.
        let part = rest.components(separatedBy: end)[0].split(whereSeparator: \.isWhitespace)
            .joined(separator: " ")
        let found = part.components(separatedBy: "\(marker) \"").dropFirst()
            .map { String($0.prefix { $0 != "\"" }) }
        return Set(found.filter { $0.allSatisfy { $0.isLowercase || $0 == "_" } })
    }

    @Test("docs/errors.md lists every code of a tenant's failure, and no other")
    func tenantFailures() throws {
        var known: Set<String> = []
        for folder in ["Engine", "Scheduler"] {
            let url = Golden.root.appending(path: "Sources/TenancyCore/\(folder)")
            for file in try FileManager.default.subpathsOfDirectory(atPath: url.path)
            where file.hasSuffix(".swift") {
                known.formUnion(words(in: try source("\(folder)/\(file)"), after: "code:"))
            }
        }
        known.formUnion(
            words(
                in: try source("Engine/FailureDescription.swift"), after: ":",
                from: "func code(ofState", to: "func hint(ofState"))
        known.formUnion(words(in: try source("Alembic/PythonPool.swift"), after: "code:"))
        known.formUnion(
            words(
                in: try source("Alembic/WorkerAnswer.swift"), after: ":",
                from: "func code(ofKind"))
        known.formUnion(
            words(
                in: try source("Tenants/Placement.swift"), after: ":", from: "package var code",
                to: "\n    }\n"))
        known.formUnion(
            words(
                in: try source("Revisions/RevisionError.swift"), after: ":",
                from: "package var code", to: "\n    }\n"))
        let documented = try documented()
        #expect(documented.subtracting(known).sorted() == [])
        #expect(known.subtracting(documented).sorted() == [])
    }
}

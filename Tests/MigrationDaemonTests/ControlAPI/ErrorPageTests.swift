import Foundation
import JobModel
import Testing

@Suite struct ErrorPageTests {
    /// Codes in backquotes in the first cells of a section's tables, in the page's order.
    private func documented() throws -> [String] {
        let page = try Golden.page("errors.md")
        let section = page.components(separatedBy: "\n## ").first {
            $0.hasPrefix("Tenant failures")
        }
        let cells = try #require(section).split(separator: "\n").filter { $0.hasPrefix("| `") }
            .compactMap { $0.split(separator: "|").first }
        // Every other piece between backquotes is quoted.
        return cells.flatMap { cell in
            cell.split(separator: "`", omittingEmptySubsequences: false).enumerated()
                .filter { !$0.offset.isMultiple(of: 2) }.map { String($0.element) }
        }
    }

    @Test("docs/errors.md has one row for every code of a tenant's failure, and names no other")
    func tenantFailures() throws {
        #expect(try documented().sorted() == FailureCode.allCases.map(\.description).sorted())
    }
}

import Foundation
import HTTPLite
import Testing

@testable import ControlAPI
@testable import DaemonConfiguration
@testable import JobModel
@testable import MigrationDaemon
@testable import Support

@Suite struct RoutesTests {
    @Test("the description has exactly the routes, by method and path")
    func pathsAreRoutes() {
        let document = OpenAPI.document(requiresToken: true)
        let described = (document["paths"]?.objectValue?.members ?? []).flatMap { path in
            (path.value.objectValue?.members ?? []).map { "\($0.key.uppercased()) \(path.key)" }
        }
        let routed = Routes.endpoints.map { "\($0.method.name) \($0.path)" }
        #expect(Set(described) == Set(routed))
        #expect(described.count == routed.count)
    }

    @Test("every operation has a name of its own")
    func names() {
        #expect(Set(Routes.endpoints.map(\.name)).count == Routes.endpoints.count)
    }

    @Test("whatever changes something needs an operator, and only the two probes are open")
    func access() {
        for endpoint in Routes.endpoints {
            switch endpoint.access {
            case .open:
                #expect(["/healthz", "/readyz"].contains(endpoint.path))
            case .atLeast(let role):
                let reads = endpoint.method == .get || endpoint.path == "/v1/plan"
                #expect((role == .viewer) == reads, "\(endpoint.name)")
            case .metrics:
                #expect(endpoint.path == "/metrics")
            }
        }
    }

    @Test("what is described by reference exists, and every schema is referred to")
    func references() {
        let document = OpenAPI.document(requiresToken: true)
        let text = document.renderedString()
        let names = OpenAPI.schemas.map(\.0)
        for part in text.components(separatedBy: "#/components/schemas/").dropFirst() {
            let name = String(part.prefix { $0 != "\"" })
            #expect(names.contains(name), "\(name)")
        }
        for name in names {
            #expect(text.contains("\"#/components/schemas/\(name)\""), "\(name) is not used")
        }
    }

    @Test("a daemon without tokens does not ask for one")
    func security() {
        let open = OpenAPI.document(requiresToken: false)
        let guarded = OpenAPI.document(requiresToken: true)
        let path = ["paths", "/v1/jobs", "get", "security"]
        #expect(path.reduce(Optional(open)) { $0?[$1] } == [])
        #expect(path.reduce(Optional(guarded)) { $0?[$1] } == [["bearer": []]])
        let health = ["paths", "/healthz", "get", "security"]
        #expect(health.reduce(Optional(guarded)) { $0?[$1] } == [])
    }

    @Test("the description is the one that was reviewed")
    func golden() throws {
        try Golden.expect(OpenAPI.document(requiresToken: true), is: "openapi.json")
    }

    @Test("docs/http-api.md has every call, and no other")
    func documented() throws {
        let page = try Golden.page("http-api.md")
        let headings = page.split(separator: "\n").filter { $0.hasPrefix("### `") }
        let documented = headings.map { $0.dropFirst(5).prefix { $0 != "`" } }.map(String.init)
        let routed = Routes.endpoints.map { "\($0.method.name) \($0.path)" }
        #expect(documented.sorted() == routed.sorted())
    }
}

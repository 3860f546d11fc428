import FlyingFox
import Foundation

let port = UInt16(CommandLine.arguments[1]) ?? 0
let small = Data(repeating: 0x61, count: 20)
let large = Data(repeating: 0x61, count: 1024)

let server = HTTPServer(
    address: try .inet(ip4: "127.0.0.1", port: port), timeout: 60, logger: .disabled)
for (path, body) in [("/small", small), ("/large", large)] {
    await server.appendRoute(HTTPRoute("GET \(path)")) { _ in
        HTTPResponse(statusCode: .ok, headers: [.contentType: "text/plain"], body: body)
    }
}
try await server.run()

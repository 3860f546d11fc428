import HTTPLite

let port = UInt16(CommandLine.arguments[1]) ?? 0
let small = [UInt8](repeating: 0x61, count: 20)
let large = [UInt8](repeating: 0x61, count: 1024)

var router = Router()
for (path, body) in [("/small", small), ("/large", large)] {
    router.add(.get, path) { _ in
        HTTPResponse(status: .ok, fields: ["Content-Type": "text/plain"], body: .bytes(body))
    }
}
var configuration = HTTPServerConfiguration(listeners: [.tcp(host: "127.0.0.1", port: port)])
configuration.limits.requestsPerConnection = .max
let server = HTTPServer(configuration: configuration, handler: router)
try server.start()
try await Task.sleep(for: .seconds(86_400))

import Hummingbird
import Logging

let port = Int(CommandLine.arguments[1]) ?? 0
let small = String(repeating: "a", count: 20)
let large = String(repeating: "a", count: 1024)

var logger = Logger(label: "hummingbird")
logger.logLevel = .error
let router = Router()
router.get("/small") { _, _ in small }
router.get("/large") { _, _ in large }
let application = Application(
    router: router, configuration: .init(address: .hostname("127.0.0.1", port: port)),
    logger: logger)
try await application.runService()

@main
enum MigrationDaemon {
    static func main() async {}
}

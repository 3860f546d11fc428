/// The example's migrations, embedded in the program.
enum DemoMigrations {
    struct File {
        let name: String
        let bytes: [UInt8]
    }

    static let files: [File] = []
}

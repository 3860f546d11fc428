/// Loads a folder of SQL migrations.
public enum SQLFolder {
    public static func load(path: String) throws(FolderError) -> RevisionSet {
        throw FolderError(problems: [])
    }
}

/// Splits a text into statements.
public enum SQLSplitter {
    public static func split(
        _ text: String, firstLine: Int = 1
    ) throws(SQLSplitError) -> [SQLStatement] { [] }
}

/// The migrations of examples/fleet, embedded in the program so that the demo needs no files.
enum DemoMigrations {
    struct File {
        let name: String
        let bytes: [UInt8]
    }

    static let files = [
        File(name: "0001_customers.sql", bytes: PackageResources._001_customers_sql),
        File(name: "0002_orders.sql", bytes: PackageResources._002_orders_sql),
        File(name: "0003_order_totals.sql", bytes: PackageResources._003_order_totals_sql),
        File(name: "0004_price_history.sql", bytes: PackageResources._004_price_history_sql),
        File(name: "0005_invoices.sql", bytes: PackageResources._005_invoices_sql),
    ]
}

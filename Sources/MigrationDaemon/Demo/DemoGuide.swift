/// What to try once the demo's fleet is migrated.
enum DemoGuide {
    static func text(address: String, config: String) -> String {
        """

        The fleet is migrated. Try, in another terminal:

          curl -s \(address)/v1/fleet
          curl -s \(address)/v1/jobs
          curl -s '\(address)/v1/tenants?limit=3'
          curl -s \(address)/v1/tenants/shop-0001/revision
          curl -s \(address)/v1/revisions
          curl -s -X POST \(address)/v1/jobs -H 'Content-Type: application/json' \\
               -H 'Prefer: wait=60' -d '{"operation": "downgrade", "target": "-1"}'
          curl -s -X POST \(address)/v1/jobs -H 'Content-Type: application/json' \\
               -d '{"operation": "upgrade", "tenants": {"match": "shop-00*"}, "dry_run": "plan"}'
          curl -s -X POST \(address)/v1/tenants/big-1/upgrade -H 'Content-Type: application/json' -d '{}'

        The daemon's configuration is \(config). Ctrl-C stops everything.
        """
    }
}

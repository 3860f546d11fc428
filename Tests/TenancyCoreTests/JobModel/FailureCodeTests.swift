import Revisions
import Tenants
import Testing

@testable import JobModel

@Suite struct FailureCodeTests {
    @Test("a stored code is read as the case that it was written from")
    func roundTrip() {
        for code in FailureCode.allCases {
            #expect(FailureCode(code.description) == code)
        }
        #expect(FailureCode("lock_timeout") == .statement(.lockTimeout))
        #expect(FailureCode("no_upgrade") == .plan(.noUpgrade))
        #expect(FailureCode("unsafe_tenant_id") == .placement(.unsafeTenantID))
    }

    @Test("a code of another release keeps its text")
    func unrecognized() {
        let code = FailureCode("quota_exceeded")
        #expect(code == .unrecognized("quota_exceeded"))
        #expect("\(code)" == "quota_exceeded")
    }

    @Test("no two cases share a code, and each is one lower-case word")
    func words() {
        let texts = FailureCode.allCases.map(\.description)
        #expect(Set(texts).count == texts.count)
        #expect(texts.allSatisfy { $0.allSatisfy { $0.isLowercase || $0 == "_" } })
    }
}

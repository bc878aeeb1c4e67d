//! The names of the gates. What each looks at is one file of the planner, and never here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A gate of the journey (government.md 1.2). The planner has one file for each that it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum GateName {
    /// 计划下达: both offices issued the plan that names the system (Art. 23).
    PlanIssued,
    /// 非涉密声明: declared for the system and each host (Art. 22, 24).
    NonClassifiedDeclared,
    /// 清查完成: every host reported, none longer ago than allowed (Art. 22).
    InventoryComplete,
    /// 迁移就绪: no check of any host blocks or is unknown (practice).
    HostsReady,
    /// 方案有效: hosts, disks, networks and window of the scheme exist and fit (Art. 34).
    SchemeValid,
    /// 定级备案: level and filing number present (Art. 29).
    SystemGraded,
    /// 平台等保满足: platform level sufficient and assessment in date (Art. 28).
    TargetLevelSufficient,
    /// 应急预案已备: the emergency plan is attached to the scheme (Art. 29).
    EmergencyPlanReady,
    /// 回退条件具备: the scheme says how a server that was switched off is switched on again (practice).
    RollbackReady,
    /// 目录已预编: the draft of the resource catalogue is attached (Art. 27).
    CataloguePrepared,
    /// 参建单位资质有效: every certificate that the state requires is valid on the day of the cutover (Art. 19).
    PartiesQualified,
    /// 论证评估通过: the project was evaluated and passed, or there is none (Art. 18, 33).
    AssessmentPassed,
    /// 部门确认方案: the department confirmed this digest (Art. 23).
    DepartmentConfirmed,
    /// 两办审批通过: both offices approved this digest, different persons (Art. 23).
    DualApproved,
    /// 数据同步: every disk of every host is in sync (practice).
    ReplicationInSync,
    /// 关联系统就绪: the systems that it depends on serve from the cloud, or can be reached across the boundary (practice).
    DependenciesReady,
    /// 演练通过: this digest was rehearsed, its rollback too, and not too long ago (practice).
    RehearsalPassed,
    /// 停机时长可控: the forecast of the interruption fits what the department accepts (practice).
    DowntimeWithinBudget,
    /// 安全措施同步投用: the security products of this digest are in use on the cloud (Art. 31).
    SecurityInUse,
    /// 在割接窗口内: the window is open, and no freeze period (practice).
    InWindow,
    /// 数据一致: the record is signed by both ends, and its roots are equal (practice).
    RecordVerified,
    /// 源端已隔离: the source acknowledged the fence and is silent (practice).
    SourceFenced,
    /// 业务验证: every declared probe passed on the target (practice).
    ProbesPassed,
    /// 割接确认: the operator confirmed the cutover (practice).
    CutoverConfirmed,
    /// 试运行满3个月: the trial run has lasted the calendar months that the policy asks for (Art. 20).
    TrialElapsed,
    /// 性能测试: its report is attached, and it passed (Art. 20).
    PerformanceTested,
    /// 安全测评: the report of the authorised body is attached, and it passed, where there were security works (Art. 20).
    SecurityAssessed,
    /// 目录已纳入: the catalogue is registered (Art. 27).
    CatalogueRegistered,
    /// 履约验收前置核准: the data bureau approved that the acceptance is held (rules of 2025).
    PreAcceptanceApproved,
    /// 验收通过: the minutes say so, with design, construction and supervision present, and it is signed (Art. 20).
    Accepted,
    /// 设备全部落实去向: every old server is in custody, reused, kept in place or scrapped, each by its paper (Art. 22).
    AllHostsDisposed,
}

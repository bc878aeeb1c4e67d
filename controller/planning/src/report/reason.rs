//! Words for why a gate is not open.

#![allow(clippy::wildcard_enum_match_arm)]
// Three tables in a row, each for the reasons of one kind; a test shows that none is without words.

use super::time::at;
use super::waiting::copy;
use super::{Words, length, party, words};
use crate::calendar::{WindowReason, Zone};
use crate::gate::definition;
use crate::reason::{Asked, Obstacle, Reason};

impl Asked {
    /// What people call it.
    pub(crate) fn words(self) -> Words {
        match self {
            Asked::Policy => words("policy profile", "制度配置"),
            Asked::Plan => words("migration plan", "迁移计划"),
            Asked::Platform => words("cloud platform", "云平台"),
            Asked::System => words("information system", "信息系统"),
            Asked::Host => words("server", "服务器"),
            Asked::Journey => words("journey of the server", "服务器迁移任务"),
            Asked::Approvals => words("list of approvals", "审批记录"),
            Asked::Permission => words("permission of an approver", "审批人权限"),
            Asked::Freezes => words("freeze period", "重保期"),
            Asked::Waivers => words("list of waivers", "检查豁免记录"),
            Asked::LeftOut => words("list of servers that no scheme names", "未列入方案的服务器"),
            Asked::Custody => words("list of custody records", "设备去向记录"),
            Asked::UnderWay => words("list of systems that are being cut over", "正在割接的系统"),
            Asked::FreeStorage => words("room left at the platform", "平台剩余存储"),
            Asked::SourceSilence => words("silence of the source", "源端静默状态"),
            Asked::Machine => words("state of the machine on the cloud", "云主机状态"),
            Asked::RecordCheck => words("verification of the record", "割接记录校验"),
        }
    }

    /// What to do where a reference leads nowhere.
    fn remedy(self) -> Words {
        let or_correct =
            |field: &str| words(format!("create it, or correct {field}"), format!("请创建,或更正 {field}"));
        match self {
            Asked::Policy => {
                words("create it, or correct spec.policyRef of the plan", "请创建,或更正迁移计划的 spec.policyRef")
            }
            Asked::Plan => or_correct("spec.planRef"),
            Asked::Platform => or_correct("spec.platformRef"),
            Asked::System => or_correct("spec.systemRef"),
            Asked::Freezes => or_correct("spec.scheme.freezeExceptions"),
            Asked::Host => words("enrol it, or correct spec.scheme.hosts", "请登记,或更正 spec.scheme.hosts"),
            Asked::Journey
            | Asked::Approvals
            | Asked::Permission
            | Asked::Waivers
            | Asked::Custody
            | Asked::FreeStorage
            | Asked::SourceSilence
            | Asked::Machine
            | Asked::RecordCheck
            | Asked::LeftOut
            | Asked::UnderWay => words("it is looked for again", "将重新查找"),
        }
    }
}

impl Reason {
    /// The sentence for people whose clocks are those of a zone.
    pub fn words(&self, zone: &Zone) -> Words {
        let on_paper = self.paper_words().or_else(|| self.review_words()).or_else(|| self.scheme_words());
        let on_paper = on_paper.or_else(|| self.server_words()).or_else(|| self.platform_words());
        let before_cutover = on_paper.or_else(|| self.readiness_words(zone));
        before_cutover.or_else(|| self.acceptance_words()).unwrap_or_else(|| self.cutover_words(zone))
    }

    /// What people have to write or sign.
    fn paper_words(&self) -> Option<Words> {
        Some(match self {
            Reason::NotKnown { what } => {
                let w = what.words();
                words(
                    format!("the {} is not known just now; it is asked again", w.en),
                    format!("暂时无法得知{},将重试", w.zh),
                )
            }
            Reason::NotFound { what, name } => {
                let (w, remedy) = (what.words(), what.remedy());
                words(
                    format!("the {} {name:?} is not there: {}", w.en, remedy.en),
                    format!("{}“{name}”不存在,{}", w.zh, remedy.zh),
                )
            }
            Reason::SystemNotOnPlan { plan } => words(
                format!(
                    "the plan {plan:?} does not list this system: add it to spec.systems of the plan, and have that issued again; \
                     or correct spec.planRef"
                ),
                format!("迁移计划“{plan}”未列入本系统,请在其 spec.systems 中补充并重新下达,或更正 spec.planRef"),
            ),
            Reason::PlanNotIssued { have, need, missing, .. } => words(
                format!("the plan is issued by {have} of {need} offices; missing: {}", missing.en),
                format!("迁移计划已下达 {have}/{need},尚缺:{}", missing.zh),
            ),
            Reason::PlanReturned { by, opinion } => words(
                format!("{by} returned the plan: {opinion}; edit it, and have it issued again"),
                format!("{by} 退回了迁移计划:{opinion};修改后重新下达"),
            ),
            Reason::SystemNotGraded => words("the system has no level or no filing number", "系统未定级或缺少备案号"),
            Reason::PlatformLevelTooLow { level, needed } => words(
                format!("the platform has protection level {level}, level {needed} is required"),
                format!("平台等保为 {level} 级,要求 {needed} 级"),
            ),
            Reason::AssessmentOverdue { due } => {
                words(format!("the platform's assessment was due on {due:?}"), format!("平台等保测评已于“{due}”到期"))
            }
            Reason::NotConfirmed { .. } => {
                words("the department has still to confirm this scheme", "部门尚未确认本方案")
            }
            Reason::ApprovalsMissing { have, need, missing, .. } => words(
                format!("{have} of {need} offices approved this scheme; missing: {}", missing.en),
                format!("两办审批 {have}/{need},尚缺:{}", missing.zh),
            ),
            Reason::NotInEffect { offices, waits_for } => not_in_effect(*offices, waits_for),
            Reason::SchemeEdited { host } => words(
                format!("the scheme was edited after its approvals, so they do not hold for {host} any more"),
                format!("方案在批准后被修改,对 {host} 的批准已失效"),
            ),
            Reason::TooFewApprovers { found } => words(
                format!(
                    "the policy profile names {found} different offices to approve a scheme, at least 2 are required"
                ),
                format!("制度配置仅指定 {found} 个审批机构,至少需要 2 个"),
            ),
            _ => return self.declaration_words().or_else(|| self.returned_words()),
        })
    }

    /// What a declaration lacks.
    fn declaration_words(&self) -> Option<Words> {
        Some(match self {
            Reason::SystemNotDeclared => words(
                "the system's declaration as non-classified names no person or no valid day",
                "系统非涉密声明缺少声明人或日期",
            ),
            Reason::DeclarationNotYet { declared_on } => words(
                format!(
                    "the system's declaration as non-classified is of {declared_on}, which is still to come; correct its day"
                ),
                format!("系统非涉密声明的日期 {declared_on} 尚未到来,请更正"),
            ),
            Reason::HostNotDeclared { host } => words(
                format!("nobody declared at {host} that it is non-classified"),
                format!("{host} 尚未作出非涉密声明"),
            ),
            _ => return None,
        })
    }

    /// What an office sent back.
    fn returned_words(&self) -> Option<Words> {
        Some(match self {
            Reason::Returned { by, opinion } => words(
                format!("{by} returned this scheme: {opinion}; edit it to submit it again"),
                format!("{by} 退回了本方案:{opinion};修改后重新提交"),
            ),
            Reason::ReturnedInExecution { by, opinion, .. } => words(
                format!(
                    "{by} returned this scheme while it is carried out: {opinion}; it cannot be edited any more and goes on when \
                     the same role approves it again"
                ),
                format!("{by} 在方案执行中予以退回:{opinion};方案已不可修改,由同一角色再次同意后继续"),
            ),
            _ => return None,
        })
    }

    /// What the servers have to be.
    fn server_words(&self) -> Option<Words> {
        Some(match self {
            Reason::HostOfAnotherSystem { host, system } => words(
                format!(
                    "the server {host} belongs to the system {system:?}: correct spec.scheme.hosts, or enrol the server for this one"
                ),
                format!("服务器 {host} 属于系统“{system}”,请更正 spec.scheme.hosts 或为本系统重新登记该服务器"),
            ),
            Reason::HostNeverReported { host } => {
                words(format!("{host} has not sent an inventory yet"), format!("{host} 尚未上报清查结果"))
            }
            Reason::InventoryTooOld { host, days, limit_days } => words(
                format!("the inventory of {host} is {days} days old, at most {limit_days} are allowed"),
                format!("{host} 的清查结果已有 {days} 天,上限 {limit_days} 天"),
            ),
            Reason::HostLeftOut { host } => words(
                format!(
                    "the server {host} is enrolled for this system, and no scheme of it names it: add it to this scheme or to \
                     another one, or record by which document it stays where it is"
                ),
                format!(
                    "服务器 {host} 已登记于本系统,但未列入任何迁移方案:请列入本方案或另一方案,或登记依规保留的去向记录"
                ),
            ),
            Reason::CheckBlocks { host, check, observed, required, .. } => words(
                format!("check {check} of {host}: found {observed}, required {required}"),
                format!("{host} 检查 {check} 未通过:实际 {observed},要求 {required}"),
            ),
            Reason::CheckNotKnown { host, check, .. } => words(
                format!("check {check} of {host} has no answer, which is not a pass"),
                format!("{host} 检查 {check} 结果未知,不视为通过"),
            ),
            _ => return None,
        })
    }

    /// What the scheme has to be.
    fn scheme_words(&self) -> Option<Words> {
        Some(match self {
            Reason::NoHosts => words("the scheme names no server", "方案未列出服务器"),
            Reason::NamedTwice { what, name } => words(
                format!("the scheme names the {what} {name:?} twice"),
                format!("方案重复列出{}“{name}”", part_zh(what)),
            ),
            Reason::HostTaken { host, migration } => words(
                format!(
                    "the migration {migration:?} has the server {host} in hand, or named it first: leave it out of spec.scheme.hosts of one \
                     of the two"
                ),
                format!(
                    "服务器 {host} 已由迁移“{migration}”处理或先行列入,请从其中一个方案的 spec.scheme.hosts 中删除"
                ),
            ),
            Reason::DiskNotFound { host, volume, serial } => words(
                format!("{host} has no disk with serial {serial:?} (volume {volume})"),
                format!("{host} 没有序列号为“{serial}”的磁盘(云盘 {volume})"),
            ),
            Reason::DiskNotUnique { host, volume, serial } => words(
                format!("{host} has more than one disk with {serial:?} (volume {volume}); give serial and WWN"),
                format!("{host} 有多块磁盘的标识为“{serial}”(云盘 {volume}),请同时填写序列号和 WWN"),
            ),
            Reason::DiskSizeDiffers { host, volume, expected, found } => words(
                format!("the disk for volume {volume} of {host} has {found} bytes, the scheme says {expected}"),
                format!("{host} 云盘 {volume} 对应磁盘为 {found} 字节,方案写为 {expected} 字节"),
            ),
            Reason::DiskLeftOut { host, disk } => words(
                format!("the running system of {host} lies on {disk}, which the scheme leaves out"),
                format!("{host} 的系统使用了磁盘 {disk},方案未列入"),
            ),
            Reason::VolumeTooSmall { host, volume, volume_bytes, disk_bytes } => words(
                format!("volume {volume} of {host} has {volume_bytes} bytes, its disk has {disk_bytes}"),
                format!("{host} 的云盘 {volume} 为 {volume_bytes} 字节,小于磁盘的 {disk_bytes} 字节"),
            ),
            Reason::WindowReversed => words("the window ends before it begins", "割接窗口的结束早于开始"),
            Reason::NoProbes => words(
                "the scheme declares no probe, so nothing could prove that the system serves",
                "方案未声明业务验证探测",
            ),
            _ => return None,
        })
    }

    /// What the platform has to have.
    fn platform_words(&self) -> Option<Words> {
        Some(match self {
            Reason::NetworkNotFound { host, network } => words(
                format!("the platform has no network {network:?} (for {host})"),
                format!("平台没有网络“{network}”({host})"),
            ),
            Reason::NicNotFound { host, nic } => {
                words(format!("{host} has no network interface {nic:?}"), format!("{host} 没有网卡“{nic}”"))
            }
            Reason::DependencyCircle { hosts } => words(
                format!(
                    "the servers {} depend on each other in a circle, so none could be launched first; leave one dependsOn out",
                    hosts.join(", ")
                ),
                format!("服务器 {} 循环依赖,无法确定启动顺序;请删去其中一项 dependsOn", hosts.join("、")),
            ),
            Reason::HookNotAllowed { host, hook } => words(
                format!(
                    "{host} allows no hook {hook:?}; its admin lists it under [hooks] in /etc/qianyun/agent.toml, or the scheme \
                     leaves it out"
                ),
                format!(
                    "{host} 未允许钩子“{hook}”;由其管理员在 /etc/qianyun/agent.toml 的 [hooks] 中列出,或从方案中删去"
                ),
            ),
            Reason::TooManyDevices { host, devices, limit } => words(
                format!(
                    "the machine for {host} would have {devices} disks and network interfaces, at most {limit} have a slot"
                ),
                format!("{host} 的云主机需 {devices} 块磁盘和网卡,插槽最多 {limit} 个"),
            ),
            Reason::PlatformTooSmall { what, needed, available } => words(
                format!("the platform has {available} {what} left, the scheme needs {needed}"),
                format!("平台{}可用 {available},方案需要 {needed}", room_zh(what)),
            ),
            _ => return None,
        })
    }

    /// What the machines have to do.
    fn cutover_words(&self, zone: &Zone) -> Words {
        match self {
            Reason::NotReplicating { host } => words(format!("{host} is not being copied"), format!("{host} 未在同步")),
            Reason::NotInSync { host, phase } => {
                let phase = copy(*phase);
                words(format!("{host} is not in sync yet ({})", phase.en), format!("{host} 尚未同步完成({})", phase.zh))
            }
            Reason::AgentSilent { host, seconds } => words(
                format!("the agent on {host} has not reported for {}", length(*seconds)),
                format!("{host} 上的代理已 {} 未上报", length(*seconds)),
            ),
            Reason::WindowNotYet { start } => WindowReason::NotYet { start: *start }.words(zone),
            Reason::WindowOver { end } => {
                let end = at(zone, *end);
                words(
                    format!("the window was over at {}; a scheme with a new one is needed", end.en),
                    format!("割接窗口已于 {} 结束,需提交新窗口的方案", end.zh),
                )
            }
            Reason::NoRecord { host } => {
                words(format!("{host} has not signed the record yet"), format!("{host} 尚未签署割接记录"))
            }
            Reason::RecordRefused { host, found } => words(
                format!("the record of {host} does not hold: {found}"),
                format!("{host} 的割接记录校验不通过:{found}"),
            ),
            Reason::NotCommitted { host } => {
                words(format!("no commit was decided for {host}"), format!("{host} 尚未决定提交"))
            }
            Reason::FenceNotAcknowledged { host } => words(
                format!("{host} has not acknowledged that it goes out of service"),
                format!("{host} 尚未确认退出服务"),
            ),
            Reason::SourceAnswers { host, what } => {
                words(format!("the source of {host} still answers: {what}"), format!("{host} 源端仍在应答:{what}"))
            }
            // Without the seconds that have passed: a sentence that changes each second would be written each second.
            Reason::SilentTooShort { host, needed_seconds, .. } => words(
                format!("the source of {host} has to be silent for {needed_seconds} s before anything is launched"),
                format!("{host} 源端须先静默 {needed_seconds} 秒方可启动云主机"),
            ),
            Reason::TargetNotRunning { host } => {
                words(format!("the machine for {host} does not run"), format!("{host} 的云主机未运行"))
            }
            Reason::TargetNotAdapted { host, message } if message.is_empty() => words(
                format!("the agent on the machine for {host} has not finished"),
                format!("{host} 云主机上的代理尚未完成适配"),
            ),
            Reason::TargetNotAdapted { host, message } => words(
                format!("the agent on the machine for {host} has not finished: {message}"),
                format!("{host} 云主机上的代理尚未完成适配:{message}"),
            ),
            Reason::ProbeNotPassed { probe, found } => {
                words(format!("probe {probe} has not passed: {found}"), format!("探测 {probe} 未通过:{found}"))
            }
            Reason::ProbeOverdue { probe, found, deadline_seconds } => words(
                format!("probe {probe} did not pass within {}: {found}", length(*deadline_seconds)),
                format!("探测 {probe} 在 {} 内未通过:{found}", length(*deadline_seconds)),
            ),
            other => words(format!("{other:?}"), format!("{other:?}")),
        }
    }
}

/// That everybody approved, and what their approval still waits for: each gate, and who opens it.
fn not_in_effect(offices: usize, waits_for: &[Obstacle]) -> Words {
    let (mut en, mut zh) = (Vec::new(), Vec::new());
    for obstacle in waits_for {
        let who = party::party(obstacle.party());
        en.push(format!("{:?} ({})", obstacle.gate, who.en));
        zh.push(format!("{}({})", definition(obstacle.gate).zh, who.zh));
    }
    words(
        format!(
            "{offices} of {offices} offices approved this scheme, and their approval is not in effect before these gates \
             open: {}; it takes effect by itself then, and is void if the scheme has to be edited for it",
            en.join(", ")
        ),
        format!(
            "两办审批 {offices}/{offices},但审批尚未生效,尚须满足:{};满足后自动生效,如因此修改方案则须重新审批",
            zh.join("、")
        ),
    )
}

/// What a scheme can name twice, in Chinese.
fn part_zh(what: &str) -> &str {
    match what {
        "server" => "服务器",
        "probe" => "探测",
        "volume" => "卷",
        "disk" => "磁盘",
        "hook" => "钩子",
        "network interface" => "网卡",
        other => other,
    }
}

/// What a platform can be too small in, in Chinese.
fn room_zh(what: &str) -> &str {
    match what {
        "CPUs" => "CPU(个)",
        "MiB of memory" => "内存(MiB)",
        "bytes of storage" => "存储(字节)",
        "bytes of free storage" => "空闲存储(字节)",
        other => other,
    }
}

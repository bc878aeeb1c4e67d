//! Words for what is waited for.

use super::time;
use super::{Words, words};
use crate::calendar::Zone;
use crate::waiting::WaitingOn;
use qianyun_crds::DiskPhase;

/// How far the copy of a disk is.
pub(crate) fn copy(phase: DiskPhase) -> Words {
    match phase {
        DiskPhase::Idle => words("not begun", "未开始"),
        DiskPhase::InitialCopy => words("first copy", "首次复制"),
        DiskPhase::Suspect => words("comparing what may have been missed", "核对可能遗漏的变更"),
        DiskPhase::CatchingUp => words("catching up", "追赶变更"),
        DiskPhase::Verifying => words("verifying", "校验中"),
        DiskPhase::InSync => words("in sync", "已同步"),
        DiskPhase::Final => words("last changes", "传送最后变更"),
        DiskPhase::Committed => words("record signed", "记录已签署"),
    }
}

impl WaitingOn {
    /// The sentence for people whose clocks are those of a zone.
    pub fn words(&self, zone: &Zone) -> Words {
        match self {
            WaitingOn::Gate(obstacle) => obstacle.reason.words(zone),
            WaitingOn::Resumption => words(
                "suspended by spec.suspend; nothing new is begun until it is lifted",
                "已由 spec.suspend 暂停,解除前不启动任何新步骤",
            ),
            WaitingOn::AgentReport { host } => words(
                format!("the agent on {host} does not report; check the machine and its network"),
                format!("{host} 上的代理未上报,请检查主机及其网络"),
            ),
            WaitingOn::LocalPermission { host, refusal } => words(
                format!("the settings on {host} itself do not allow it: {refusal}"),
                format!("{host} 本机设置不允许:{refusal}"),
            ),
            WaitingOn::Journey { host } => {
                words(format!("the journey of {host} is being created"), format!("正在建立 {host} 的迁移任务"))
            }
            WaitingOn::Volumes { host, trouble } if trouble.is_empty() => {
                words(format!("the volumes for {host} are being made"), format!("正在为 {host} 创建云盘"))
            }
            WaitingOn::Volumes { host, trouble } => words(
                format!("the volumes for {host} cannot be made: {trouble}"),
                format!("{host} 的云盘无法创建:{trouble}"),
            ),
            WaitingOn::Receiver { host, trouble } if trouble.is_empty() => {
                words(format!("the receiver for {host} is starting"), format!("{host} 的接收端正在启动"))
            }
            WaitingOn::Receiver { host, trouble } => words(
                format!("the receiver for {host} cannot be started: {trouble}"),
                format!("{host} 的接收端无法启动:{trouble}"),
            ),
            WaitingOn::Copy { host, phase } => {
                let phase = copy(*phase);
                words(
                    format!("{host} is being copied while it works ({})", phase.en),
                    format!("{host} 正在不停机同步({})", phase.zh),
                )
            }
            WaitingOn::NextAttempt { host, at, why } => {
                let at = time::at(zone, *at);
                words(
                    format!("the last attempt on {host} was aborted: {}; the next one begins after {}", why.en, at.en),
                    format!("{host} 上次割接已中止:{};{} 后再次尝试", why.zh, at.zh),
                )
            }
            WaitingOn::NewWindow { host, attempts, why } => words(
                format!(
                    "{attempts} attempts on {host} were aborted in this window, the last because {}; a scheme with a new window is needed",
                    why.en
                ),
                format!("{host} 在本窗口内已中止 {attempts} 次,最近原因:{};需提交新窗口的方案", why.zh),
            ),
            WaitingOn::Vote { .. }
            | WaitingOn::OtherStop { .. }
            | WaitingOn::OtherVotes { .. }
            | WaitingOn::SourceResumption { .. }
            | WaitingOn::FenceAcknowledgement { .. }
            | WaitingOn::ReceiverStop { .. }
            | WaitingOn::EarlierHosts { .. }
            | WaitingOn::Launch { .. }
            | WaitingOn::Arrival { .. }
            | WaitingOn::Probes { .. } => self.cutover_words(zone),
        }
    }

    fn cutover_words(&self, zone: &Zone) -> Words {
        match self {
            WaitingOn::Vote { host } => words(
                format!("{host} stops its services, freezes, sends the last changes and verifies"),
                format!("{host} 正在停服务、冻结、传送最后变更并校验"),
            ),
            WaitingOn::OtherStop { host, other } => words(
                format!("{host} goes on when {other} has stopped its services"),
                format!("{other} 停止服务后,{host} 继续"),
            ),
            WaitingOn::OtherVotes { host, others } => words(
                format!("{host} is verified and waits for the other servers of the system: {others}"),
                format!("{host} 已校验,等待本系统其他服务器:{others}"),
            ),
            WaitingOn::SourceResumption { host } => words(
                format!("the cutover was aborted; {host} thaws and starts its services again"),
                format!("割接已中止,{host} 正在解冻并恢复服务"),
            ),
            WaitingOn::FenceAcknowledgement { host } => words(
                format!("commit decided; {host} must acknowledge and power off before anything is launched"),
                format!("已决定提交,须待 {host} 确认并断电后才启动云主机"),
            ),
            WaitingOn::ReceiverStop { host } => words(
                format!("the receiver of {host} lets go of the replica before it is used"),
                format!("{host} 的接收端正在释放副本"),
            ),
            WaitingOn::EarlierHosts { host, earlier } => words(
                format!("{host} is launched after {earlier}, by the order of the scheme"),
                format!("按方案顺序,{host} 在 {earlier} 之后启动"),
            ),
            WaitingOn::Launch { host, trouble } if trouble.is_empty() => {
                words(format!("the machine for {host} is being launched"), format!("{host} 的云主机正在启动"))
            }
            WaitingOn::Launch { host, trouble } => words(
                format!("the machine for {host} cannot be launched: {trouble}"),
                format!("{host} 的云主机无法启动:{trouble}"),
            ),
            WaitingOn::Arrival { host } => words(
                format!("the machine for {host} runs; its agent has not yet reported that it is ready"),
                format!("{host} 的云主机已运行,等待其代理报告就绪"),
            ),
            WaitingOn::Probes { host } => words(
                format!("the probes of the scheme are tried against {host}"),
                format!("正在对 {host} 执行业务验证"),
            ),
            WaitingOn::Gate(_)
            | WaitingOn::Resumption
            | WaitingOn::AgentReport { .. }
            | WaitingOn::LocalPermission { .. }
            | WaitingOn::Journey { .. }
            | WaitingOn::Volumes { .. }
            | WaitingOn::Receiver { .. }
            | WaitingOn::Copy { .. }
            | WaitingOn::NextAttempt { .. }
            | WaitingOn::NewWindow { .. } => self.words(zone),
        }
    }
}

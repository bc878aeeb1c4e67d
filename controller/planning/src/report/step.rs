//! Words for the steps of the journey: what happens, what the users of the system notice, and how it is taken back.

use super::{Words, words};
use crate::sequence::{Step, Undo};

impl Step {
    /// What happens.
    pub(crate) fn words(self) -> Words {
        match self {
            Step::Replicate => words(
                "Copy: the disks are copied to the cloud while the servers work",
                "同步:服务器不停机,磁盘复制到云上",
            ),
            Step::Cutover => words(
                "Cutover: services stop, disks freeze, the last changes are sent, both ends are compared",
                "割接:停业务服务,冻结磁盘,传送最后变更,两端核对数据",
            ),
            Step::Commit => words(
                "Commit: the decision is written, once, that the cloud goes on",
                "提交:写入一次性决定,由云上继续运行",
            ),
            Step::Launch => words(
                "Launch: the old servers power off, then the machines on the cloud start",
                "启动:原服务器断电后,启动云主机",
            ),
            Step::Trial => words(
                "Trial run: the operator confirms that the system serves from the cloud, and the trial run begins",
                "试运行:运维单位确认系统已在云上正常服务,试运行开始",
            ),
            Step::Accept => words(
                "Acceptance: the trial run is over, the papers are complete, the acceptance meeting is held",
                "验收:试运行期满,材料齐全,召开验收会",
            ),
            Step::Close => {
                words("Closing: every old server goes to where a record says", "办结:每台原服务器均有去向记录")
            }
        }
    }

    /// What the users of the system notice.
    pub(crate) fn noticed(self) -> Words {
        match self {
            Step::Replicate => words("nothing; the server answers as before", "无感知,服务照常"),
            Step::Cutover => words("the system does not answer", "系统暂停服务"),
            Step::Commit => words("the system does not answer yet", "系统仍在暂停服务"),
            Step::Launch => words("the system answers again, from the cloud", "系统恢复服务,由云上提供"),
            Step::Trial | Step::Accept | Step::Close => words("nothing; the cloud serves", "无感知,由云上提供服务"),
        }
    }
}

impl Undo {
    /// Whether it can be undone, and how.
    pub(crate) fn words(self) -> Words {
        match self {
            Undo::StopCopying => words(
                "can be undone: copying stops, the copy is kept, the server works on",
                "可撤销:停止同步,保留副本,服务器照常运行",
            ),
            Undo::Abort => words(
                "can be undone until the commit: disks thaw, services start again on the server",
                "提交前可回退:解冻磁盘,在原服务器恢复服务",
            ),
            Undo::Irreversible => words(
                "CANNOT BE UNDONE: the controller never lets the old server serve again",
                "【不可撤销】控制器不会再让原服务器恢复服务",
            ),
            Undo::Papers => words("can be undone: only papers change, no machine", "可撤销:仅涉及材料,不动设备"),
        }
    }
}

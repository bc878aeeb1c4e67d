//! `CustodyRecord` (设备去向): where an old device went, who handed it over, and what became of its disks. Append-only: never
//! updated, never deleted by people; the latest record of a host counts.

use crate::bounds::{Date, Digest, ObjectName, Text, Uid, UserName};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the device of a migrated system went (统一托管, Art. 22), as on the handover sheet (设备交接单). A system is closed (办结)
/// when each of its hosts has one. Nothing is wiped or removed before acceptance (Art. 20).
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "migration.qianyun.dev",
    version = "v1alpha1",
    kind = "CustodyRecord",
    namespaced,
    shortname = "custody",
    category = "qianyun",
    status = "CustodyRecordStatus",
    derive = "PartialEq",
    validation = Rule::new("size(self.metadata.name) <= 63").message(
        "metadata.name is longer than 63 characters: choose a shorter name, other objects refer to it"
    ),
    doc = "Where the device of a migrated system went, who handed it over, and what became of its disks.",
    selectable = ".spec.hostRef",
    selectable = ".spec.systemRef",
    printcolumn(name = "HOST", type_ = "string", json_path = ".spec.hostRef"),
    printcolumn(name = "SERIAL", type_ = "string", json_path = ".spec.device.serial"),
    printcolumn(name = "OWNER", type_ = "string", json_path = ".spec.device.ownerRef"),
    printcolumn(name = "STATE", type_ = "string", json_path = ".spec.disposition"),
    printcolumn(name = "LOCATION", type_ = "string", json_path = ".spec.placement.room"),
    printcolumn(name = "RECEIVED", type_ = "string", json_path = ".spec.handover.date"),
    printcolumn(name = "SYSTEM", type_ = "string", json_path = ".spec.systemRef", priority = 1),
    printcolumn(name = "SHEET", type_ = "string", json_path = ".spec.handover.sheetNo", priority = 1),
    printcolumn(name = "BY", type_ = "string", json_path = ".spec.recordedBy", priority = 1),
    printcolumn(
        name = "EFFECTIVE",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Effective\")].reason",
        priority = 1
    ),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = Rule::new("self == oldSelf").message(
    "a record is never changed: make another CustodyRecord, the latest of a host counts"
))]
#[x_kube(validation = Rule::new("(self.disposition == 'RetainedInPlace') != has(self.handover)").message(
    "spec.handover does not fit spec.disposition: a device that is RetainedInPlace has none, any other names who gave it to whom"
))]
#[x_kube(validation = Rule::new("(self.disposition in ['InCustody', 'Reused']) == has(self.placement)").message(
    "spec.placement does not fit spec.disposition: InCustody and Reused say where the device stands now, the others leave it out"
))]
#[x_kube(validation = Rule::new("(self.disposition in ['RetainedInPlace', 'Scrapped']) == has(self.basis)").message(
    "spec.basis does not fit spec.disposition: RetainedInPlace and Scrapped name the document that allows it, the others leave it out"
))]
#[x_kube(validation = Rule::new(
    "!(self.disposition in ['Reused', 'Scrapped']) || self.media.all(m, m.handling != 'Kept')"
).message(
    "a device that is Reused or Scrapped keeps no data: spec.media must be Wiped, Destroyed or Returned, each of them"
))]
#[x_kube(validation = Rule::new(
    "self.disposition != 'Scrapped' || !has(self.handover) || self.media.all(m, !has(m.erasure) || m.erasure.date <= self.handover.date)"
).message(
    "a disk of a Scrapped device was erased after spec.handover.date: its data must be gone before it leaves; correct the dates"
))]
#[serde(rename_all = "camelCase")]
pub struct CustodyRecordSpec {
    /// Name of the `PhysicalHost`, in the same namespace.
    #[schemars(with = "ObjectName")]
    pub host_ref: String,
    /// UID of the `PhysicalHost`, so that a record never passes to another server enrolled under the same name.
    #[schemars(with = "Uid")]
    pub host_uid: String,
    /// Name of the `InformationSystem` that it served (承载系统).
    #[schemars(with = "ObjectName")]
    pub system_ref: String,
    /// Where it went.
    pub disposition: CustodyDisposition,
    /// The device as the asset register knows it.
    pub device: CustodyDevice,
    /// Who gave it to whom; absent if it stays where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handover: Option<Handover>,
    /// Where it stands now and what for; for `InCustody` and `Reused`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<Placement>,
    /// The document that allows it to stay or to be scrapped (批文); for `RetainedInPlace` and `Scrapped`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<CustodyBasis>,
    /// Its disks, and what became of the data on each (存储介质处理).
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["serial".into()]))]
    pub media: Vec<CustodyMedium>,
    /// Remark (备注).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Text<1000>>")]
    pub remark: Option<String>,
    /// User name of the person who made this record; must be the caller.
    #[schemars(with = "UserName")]
    pub recorded_by: String,
}

/// Where a device went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum CustodyDisposition {
    /// 已入托管: in the cloud computing centre, its data still on it (Art. 22).
    InCustody,
    /// 利旧: in use for something else, its old data gone.
    Reused,
    /// 依规保留: stays where it was, by a document that allows it.
    RetainedInPlace,
    /// 报废: given to disposal, by a state-asset document that allows it.
    Scrapped,
}

/// A device as the asset register knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustodyDevice {
    /// Serial number, as on the label; compare it with the host's inventory.
    #[schemars(with = "Text<128>")]
    pub serial: String,
    /// Manufacturer and model (品牌型号).
    #[schemars(with = "Text<256>")]
    pub model: String,
    /// Number in the owner's asset register (资产编号).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Text<64>>")]
    pub asset_no: Option<String>,
    /// Name of the `Department` that owns it (产权单位); custody does not change it.
    #[schemars(with = "ObjectName")]
    pub owner_ref: String,
    /// Where it stood before (原位置): room and rack.
    #[schemars(with = "Text<256>")]
    pub original_location: String,
    /// Day of purchase, YYYY-MM-DD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Date>")]
    pub purchased_on: Option<String>,
    /// Value at purchase (原值), whole yuan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub original_value_yuan: Option<i64>,
}

/// Who gave a device to whom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new(
    "self.handedBy.name != self.receivedBy.name || self.handedBy.unit != self.receivedBy.unit"
).message(
    "handover.handedBy and handover.receivedBy are the same person: enter who gave the device, and who took it"
))]
#[x_kube(validation = Rule::new(
    "(self.witness.name != self.handedBy.name || self.witness.unit != self.handedBy.unit) && (self.witness.name != self.receivedBy.name || self.witness.unit != self.receivedBy.unit)"
).message(
    "handover.witness is one of the two parties: enter a third person, as of the supervising unit"
))]
#[serde(rename_all = "camelCase")]
pub struct Handover {
    /// Day on which the device changed hands, YYYY-MM-DD; not in the future.
    #[schemars(with = "Date")]
    pub date: String,
    /// Who gave it (移交人), for the owner.
    pub handed_by: HandoverPerson,
    /// Who took it (接收人), for the cloud computing centre or the disposer.
    pub received_by: HandoverPerson,
    /// Who watched (见证人).
    pub witness: HandoverPerson,
    /// In which state it was (交接状态).
    pub condition: DeviceCondition,
    /// Number of the signed handover sheet (交接单号).
    #[schemars(with = "Text<64>")]
    pub sheet_no: String,
    /// Digest of the signed sheet as it is filed: `sha256:<hex>` of its scan.
    #[schemars(with = "Digest")]
    pub sheet_digest: String,
}

/// Someone who signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HandoverPerson {
    /// Name.
    #[schemars(with = "Text<64>")]
    pub name: String,
    /// The unit that the person signed for.
    #[schemars(with = "Text<128>")]
    pub unit: String,
}

/// State of a device when it changed hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DeviceCondition {
    /// 完好: complete and working.
    Working,
    /// 故障: complete, but does not work.
    Faulty,
    /// 缺件: parts are missing; the remark says which.
    Incomplete,
}

/// Where a device stands, and what for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Placement {
    /// Machine room (机房).
    #[schemars(with = "Text<64>")]
    pub room: String,
    /// Rack (机柜).
    #[schemars(with = "Text<32>")]
    pub rack: String,
    /// Lowest rack unit that it takes (U位), from 1; absent in a store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 60))]
    pub rack_unit: Option<i32>,
    /// What it is for.
    pub purpose: PlacementPurpose,
}

/// What a device is for now (用途).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum PlacementPurpose {
    /// 托管运行: runs on for its owner.
    Hosted,
    /// 纳入资源池: part of the cloud.
    ResourcePool,
    /// 备件: spare parts.
    Spare,
    /// 封存: sealed, off.
    Sealed,
}

/// A document that allows a disposition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustodyBasis {
    /// Its number (文号).
    #[schemars(with = "Text<128>")]
    pub document_no: String,
    /// Digest of the document as it is filed: `sha256:<hex>` of its scan.
    #[schemars(with = "Digest")]
    pub digest: String,
}

/// A disk and what became of its data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("(self.handling in ['Wiped', 'Destroyed']) == has(self.erasure)").message(
    "erasure does not fit handling: Wiped and Destroyed say how, when and by whom, with proof; Kept and Returned leave it out"
))]
#[x_kube(validation = Rule::new("self.handling != 'Wiped' || !has(self.erasure) || !(self.erasure.method in ['Degauss', 'Shred'])").message(
    "a disk that was Degaussed or Shredded serves nobody again: its handling is Destroyed, not Wiped"
))]
#[x_kube(validation = Rule::new("self.handling != 'Destroyed' || !has(self.erasure) || self.erasure.method in ['Degauss', 'Shred']").message(
    "a disk is Destroyed by method Degauss or Shred: after any other it can serve again, and its handling is Wiped"
))]
#[serde(rename_all = "camelCase")]
pub struct CustodyMedium {
    /// Serial number of the disk, or its WWN where it has none, as in the host's inventory.
    #[schemars(with = "Text<128>")]
    pub serial: String,
    /// What became of it.
    pub handling: MediumHandling,
    /// How its data were erased; for `Wiped` and `Destroyed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erasure: Option<Erasure>,
}

/// What became of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum MediumHandling {
    /// 保留: in the device, with its data.
    Kept,
    /// 清除: in the device, without its data.
    Wiped,
    /// 销毁: of no further use.
    Destroyed,
    /// 移交: taken out, and given back to its owner.
    Returned,
}

/// How data were erased.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Erasure {
    /// Method.
    pub method: ErasureMethod,
    /// Day, YYYY-MM-DD; not in the future.
    #[schemars(with = "Date")]
    pub date: String,
    /// Who did it.
    pub by: HandoverPerson,
    /// Number of the record of it (记录号).
    #[schemars(with = "Text<64>")]
    pub record_no: String,
    /// Digest of the proof as it is filed, the tool's log or the certificate of destruction: `sha256:<hex>`.
    #[schemars(with = "Digest")]
    pub proof_digest: String,
}

/// Methods of erasure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ErasureMethod {
    /// 覆写: every block written over, and read back.
    Overwrite,
    /// 块擦除: the drive's own sanitize or secure erase.
    BlockErase,
    /// 密钥销毁: the key of an encrypted drive destroyed.
    CryptographicErase,
    /// 消磁: a magnetic disk degaussed.
    Degauss,
    /// 粉碎: shredded.
    Shred,
}

/// What the controller says about a custody record.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustodyRecordStatus {
    /// Generation of the spec that the status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// `Effective`, with reason `Accepted`, `HostNotFound`, `SerialMismatch`, `NotAccepted` or `Superseded`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "crate::bounds::Conditions")]
    pub conditions: Vec<Condition>,
}

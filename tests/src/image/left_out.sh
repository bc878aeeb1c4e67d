# What a server of the tests has no use for, as dpkg's own options: `left_out` for mmdebstrap. dpkg remembers them by itself.
#
# Sourced by the recipes. Every MiB of a system is read, sent and proved under emulation, on some servers on two disks and
# through LUKS, so what is not there saves minutes. What the machine has devices for stays, and so does what it boots with.
# shellcheck shell=bash disable=SC2034
left_out=()
for folder in sound drivers/{bluetooth,comedi,gpu,hid,hwmon,iio,infiniband,isdn,media,mmc,mtd,nfc,platform,staging,target,usb} \
  drivers/net/{can,dsa,ethernet,usb,wireless,wwan} fs/{afs,btrfs,ceph,dlm,f2fs,gfs2,jfs,nfs,nfsd,nilfs2,ntfs3,ocfs2,smb} \
  net/{bluetooth,can,ceph,mac80211,netfilter,sched,sctp,sunrpc,tipc,wireless}; do
  left_out+=(--dpkgopt="path-exclude=/lib/modules/*/kernel/$folder/*")
done
left_out+=(--dpkgopt='path-include=/lib/modules/*/kernel/drivers/net/ethernet/intel/e1000e/*')
# The adapters of other boards have folders of their own; what all disks need lies beside these.
left_out+=(--dpkgopt='path-exclude=/lib/modules/*/kernel/drivers/scsi/*/*')
left_out+=(--dpkgopt='path-exclude=/usr/lib/udev/hwdb.d/*' --dpkgopt='path-exclude=/lib/udev/hwdb.d/*')
left_out+=(--dpkgopt='path-exclude=/usr/lib/*/perl/*/CORE/*' --dpkgopt='path-exclude=/usr/share/i18n/*')
for language in CN JP KR TW; do left_out+=(--dpkgopt="path-exclude=/usr/lib/*/perl/*/auto/Encode/$language/*"); done
left_out+=(--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*')
left_out+=(--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright')

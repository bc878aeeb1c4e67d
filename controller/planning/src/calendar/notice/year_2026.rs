//! 国务院办公厅关于2026年部分节假日安排的通知, of 2025-11-04. Data only; taken from the data set NateScarlet/holiday-cn, file
//! 2026.json, which cites the page below. How a year is added is said in `notice.rs`.

use super::{Notice, days, holiday};

pub(super) fn notice() -> Notice {
    Notice {
        year: Some(2026),
        document_no: "国办发明电〔2025〕7号".into(),
        source: "https://www.gov.cn/zhengce/zhengceku/202511/content_7047091.htm".into(),
        holidays: vec![
            holiday("元旦", "2026-01-01", "2026-01-03"),
            holiday("春节", "2026-02-15", "2026-02-23"),
            holiday("清明节", "2026-04-04", "2026-04-06"),
            holiday("劳动节", "2026-05-01", "2026-05-05"),
            holiday("端午节", "2026-06-19", "2026-06-21"),
            holiday("中秋节", "2026-09-25", "2026-09-27"),
            holiday("国庆节", "2026-10-01", "2026-10-07"),
        ],
        make_up_days: days(&["2026-01-04", "2026-02-14", "2026-02-28", "2026-05-09", "2026-09-20", "2026-10-10"]),
    }
}

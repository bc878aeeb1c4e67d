//! 国务院办公厅关于2025年部分节假日安排的通知, of 2024-11-12. Data only; taken from the data set NateScarlet/holiday-cn, file
//! 2025.json, which cites the page below. How a year is added is said in `notice.rs`.

use super::{Notice, days, holiday};

pub(super) fn notice() -> Notice {
    Notice {
        year: Some(2025),
        document_no: "国办发明电〔2024〕12号".into(),
        source: "https://www.gov.cn/zhengce/zhengceku/202411/content_6986383.htm".into(),
        holidays: vec![
            holiday("元旦", "2025-01-01", "2025-01-01"),
            holiday("春节", "2025-01-28", "2025-02-04"),
            holiday("清明节", "2025-04-04", "2025-04-06"),
            holiday("劳动节", "2025-05-01", "2025-05-05"),
            holiday("端午节", "2025-05-31", "2025-06-02"),
            holiday("国庆节、中秋节", "2025-10-01", "2025-10-08"),
        ],
        make_up_days: days(&["2025-01-26", "2025-02-08", "2025-04-27", "2025-09-28", "2025-10-11"]),
    }
}
